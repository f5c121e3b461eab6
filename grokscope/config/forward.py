"""Which of the three ways computes a run: the one that its config asks for, or the next where that cannot serve."""

from __future__ import annotations

from dataclasses import dataclass

from grokscope.config.schema import Forward, RunConfig


@dataclass(frozen=True)
class ForwardPath:
    """How loss and gradient of a run are computed."""

    name: Forward
    why: str | None = None
    """Why it is not the one that the config asks for, in a sentence; None where it is."""


def forward_path(config: RunConfig) -> ForwardPath:
    """The path that trains a run.

    The exact engine and its compiled path compute every network that `model` can describe, so that the plain
    `HookedTransformer` is used where it is asked for, and nowhere else. Compiled loops run on a CPU.
    """
    if config.forward != "compiled":
        return ForwardPath(config.forward)
    why = why_not_compiled(config.training.device)
    return ForwardPath("compiled") if why is None else ForwardPath("engine", f"{why}: the engine trains instead")


def why_not_compiled(device: str) -> str | None:
    """Why the compiled path cannot serve a device; None: it can."""
    if device.partition(":")[0] != "cpu":
        return f"forward = compiled is left: compiled loops run on a CPU, and training.device is {device}"
    return None
