"""What bit-identical weights depend on beside the config: versions, machine, CPU threads, and how they compute."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from grokscope import subnormals
from grokscope.blas import library

ROUNDS = ("grokscope", "torch", "machine", "capability", "threads", "products", "subnormals")
"""What may change how a number is rounded; the versions of Python and of the kernel do not."""
BEFORE = {"subnormals": "kept"}
"""What held of runs that do not record it, as they are older."""


def environment() -> dict[str, Any]:
    """The environment of this process."""

    def of(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    return {
        "grokscope": of("grokscope"),
        "torch": of("torch"),
        "transformer-lens": of("transformer-lens"),
        "python": platform.python_version(),
        # Not platform.platform(): that starts a process, which holds a copy of the run's lock for a moment.
        "platform": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "products": library(torch.get_num_threads()),
        "subnormals": subnormals.how(torch.get_num_threads()),
    }


def other_rounding(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two environments that may round otherwise, in words: "torch was 2.12.0, is 2.13.0".

    What was not recorded then is not compared, but for what was the same in all runs then.
    """
    then = {**BEFORE, **then}
    return [f"{name} was {then[name]}, is {now[name]}" for name in ROUNDS if name in then and then[name] != now[name]]
