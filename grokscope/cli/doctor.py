"""doctor: is this machine fit for it, and if not, what to do."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from grokscope.cli.following import found
from grokscope.cli.output import console, one_line
from grokscope.disk import DiskError, check_folder

TORCH = ((2, 10), (2, 14))
TRANSFORMER_LENS = ((3, 9), (5,))
"""Versions that grokscope works with: from the first, up to but without the second. As in pyproject.toml."""

_ENOUGH_BYTES = 2 * 10**9
"""Dense checkpoints of the demo and of one longer run."""
_SLOW_FSYNC_SECONDS = 0.02
_REPORT_SHARE = 2.3
"""How long the demo's analyses and its page take, for each second that both networks would train one after the other.

Measured once, on two quiet cores of an Intel processor (family 6 model 207): 228 s, beside 99 s of training.
"""


@dataclass(frozen=True)
class Check:
    """The outcome of one check."""

    name: str
    is_ok: bool
    detail: str
    advice: str = ""


def doctor() -> int:
    """Check Python, packages, processor and disk, say what to do, and how long the demo will take.

    The exit code is 1 if a check fails.
    """
    out = console()
    failed = 0
    for check in CHECKS:
        try:
            outcome = check()
        except Exception as error:  # whatever it is, the other checks are worth having
            name = check.__name__.strip("_").replace("_", " ")
            outcome = Check(name, False, f"{type(error).__name__}: {error}")
        failed += not outcome.is_ok
        style = "green" if outcome.is_ok else "bold red"
        out.print("ok  " if outcome.is_ok else "FAIL", style=style, end="  ")
        out.print(f"{outcome.name}: {one_line(outcome.detail)}", markup=False, soft_wrap=True)
        if outcome.advice and not outcome.is_ok:
            out.print(f"      {outcome.advice}", markup=False, soft_wrap=True)
    found(fit_for=["demo"] * (not failed))
    out.print(f"{failed} of {len(CHECKS)} checks failed" if failed else "all is well", soft_wrap=True)
    return 1 if failed else 0


def _python() -> Check:
    python = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= (3, 11), python, "use Python >= 3.11: make PYTHON=python3.12")


def _package(name: str, low: tuple[int, ...], high: tuple[int, ...], extra: str | None = None) -> Check:
    """The version of a package; one that belongs to an extra need not be there."""
    wanted = f">={'.'.join(map(str, low))},<{'.'.join(map(str, high))}"
    advice = f"install it: pip install '{name}{wanted}'"
    try:
        installed = version(name)
    except PackageNotFoundError:
        if extra is not None:
            return Check(name, True, f"not installed; what needs it: pip install 'grokscope[{extra}]'")
        return Check(name, False, "not installed", advice)
    release = tuple(int(part) for part in installed.partition("+")[0].split(".")[:2] if part.isdigit())
    return Check(name, low <= release < high, f"{installed} (wanted: {wanted})", advice)


def _torch() -> Check:
    return _package("torch", *TORCH)


def _transformer_lens() -> Check:
    # run.model(step) and forward = "hooked" need it, and nothing else.
    return _package("transformer-lens", *TRANSFORMER_LENS, extra="lens")


def _processor() -> Check:
    from torch.backends import cpu

    from grokscope.blas import name_and_family
    from grokscope.capacity import usable_cores

    name, family = name_and_family()
    detail = f"{name} (family {family}), {cpu.get_cpu_capability()}, {usable_cores()} cores to use"
    return Check("processor", True, detail)


def _threads() -> Check:
    import torch

    from grokscope.capacity import usable_cores

    cores, asked = usable_cores(), torch.get_num_threads()
    return Check(
        "threads",
        asked <= cores,
        f"torch uses {asked}, cores {cores}; a run uses its own number (training.threads)",
        f"more threads than cores are slow: set OMP_NUM_THREADS={cores}, or unset it",
    )


def _products() -> Check:
    import torch

    from grokscope.blas import library

    blas = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    detail = (
        f"float32 by {library(1)}, on several threads by {library(2)}; the BLAS of torch is {blas[1] if blas else '?'}"
    )
    return Check("matrix products", True, detail)


def _determinism() -> Check:
    from grokscope.config import preset
    from grokscope.training import train

    tiny = {"modulus": 23, "d_model": 32, "d_mlp": 64, "batch_size": 64, "checkpoints.every": 10}
    config = preset("mul-lion-clip", steps=20, **tiny)
    with tempfile.TemporaryDirectory() as folder:
        first, second = (train(config, out=Path(folder, name), progress=False) for name in ("a", "b"))
    same = first.digests == second.digests
    return Check(
        "determinism",
        same,
        f"20 steps, twice: {'bit-identical' if same else 'different'} weights",
        "runs here cannot be repeated bit for bit: install the pinned versions (make install) and try again",
    )


def _disk_space() -> Check:
    free = shutil.disk_usage(_existing(Path("checkpoints"))).free
    detail = f"{free / 1e9:.1f} GB free for ./checkpoints"
    advice = f"dense checkpoints need {_ENOUGH_BYTES / 1e9:.0f} GB: free some, or write elsewhere with --out"
    return Check("disk space", free >= _ENOUGH_BYTES, detail, advice)


def _write_access() -> Check:
    folder = _existing(Path("checkpoints"))
    advice = "change its permissions, move away what is in the way, or go elsewhere: grokscope train PRESET --out DIR"
    try:
        check_folder(Path("checkpoints"))
    except DiskError as error:
        return Check("write access", False, str(error), advice)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"grokscope")
    except OSError as error:
        return Check("write access", False, f"cannot write in {folder.resolve()}: {error.strerror}", advice)
    return Check("write access", True, f"can write in {folder.resolve()}")


def _fsync() -> Check:
    seconds = []
    with tempfile.TemporaryFile(dir=_existing(Path("checkpoints"))) as file:
        for _ in range(20):
            file.write(os.urandom(4096))
            file.flush()
            begin = time.perf_counter()
            os.fsync(file.fileno())
            seconds.append(time.perf_counter() - begin)
    typical = median(seconds)
    return Check(
        "fsync",
        typical < _SLOW_FSYNC_SECONDS,
        f"{1000 * typical:.1f} ms (median of {len(seconds)})",
        "saving a checkpoint is slow on this disk: write to a local one with --out, or save less often",
    )


def _demo() -> Check:
    from grokscope.capacity import usable_cores
    from grokscope.cli.demo import ARMS
    from grokscope.sweeps import Job
    from grokscope.sweeps.estimate import estimate

    begin = time.perf_counter()
    costs = estimate([Job(arm.config) for arm in ARMS])
    training, one_by_one = costs.seconds(min(usable_cores(), len(ARMS))), costs.seconds(1)
    assert training is not None  # there are few kinds
    assert one_by_one is not None
    whole = training + _REPORT_SHARE * one_by_one
    spent = time.perf_counter() - begin
    return Check("demo", True, f"about {_rounded(whole)}: an estimate, from steps that were measured for {spent:.0f} s")


def _rounded(seconds: float) -> str:
    """A number of seconds as roughly as an estimate is known."""
    return f"{max(10, round(seconds, -1)):.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"


def _existing(path: Path) -> Path:
    """The path, or the folder that it would be made in."""
    return path if path.is_dir() else Path(".")


CHECKS: tuple[Callable[[], Check], ...] = (
    _python,
    _torch,
    _transformer_lens,
    _processor,
    _products,
    _threads,
    _determinism,
    _disk_space,
    _write_access,
    _fsync,
    _demo,
)
