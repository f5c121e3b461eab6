"""What cores, memory and disk a machine has for this process, and a refusal of work that memory and disk cannot hold.

An estimate that is beyond what is free is refused, with both numbers. One that comes near it is warned of, for
estimates are right within a factor of two, and other programs come and go.
"""

from __future__ import annotations

import os
import shutil
import warnings
from os import PathLike
from pathlib import Path

import psutil

NEAR = 0.8
"""The share of what is free from which on an estimate is warned of."""

_CGROUP = Path("/sys/fs/cgroup")
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


class CapacityError(ValueError):
    """Work that needs more memory or disk than there is; the message says which, how much, and how much there is."""


def check_memory(needed: int, work: str, less: str | None = None) -> None:
    """Raise `CapacityError` where work needs more memory than is free; warn where it needs nearly all of it.

    Arguments:
        needed: bytes, beside those that this process holds already.
        work: what needs them, as in "training mul-lion-clip-seed0".
        less: what would need less, in words, if there is such a thing.
    """
    _check(needed, free_memory(), work, "of memory", "available", less)


def check_disk(
    needed: int, path: str | PathLike[str], work: str, less: str | None = None, *, least: int | None = None
) -> None:
    """The same for bytes that are written below a path, which need not exist yet.

    Arguments:
        least: bytes that are written in any case, where the work may end early: more than these are warned of, and not
            refused. Left out: all of them.
    """
    there = _existing(Path(path))
    _check(needed, free_disk(there), work, "of disk", f"free at {there}", less, least)


def has_plenty(needed: int, path: str | PathLike[str]) -> bool:
    """Whether so many bytes below a path are neither refused nor warned of."""
    return needed <= NEAR * free_disk(_existing(Path(path)))


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else os.cpu_count() or 1


def free_memory() -> int:
    """Bytes that this process may still take: of the machine, and of the control group that a container sets."""
    free = psutil.virtual_memory().available
    try:
        limit, used = ((_CGROUP / name).read_text("ascii").strip() for name in ("memory.max", "memory.current"))
        cached = dict(line.split() for line in (_CGROUP / "memory.stat").read_text("ascii").splitlines())
    except OSError:
        return free
    if limit == "max":
        return free
    return min(free, int(limit) - int(used) + int(cached.get("inactive_file", 0)))


def free_disk(path: str | PathLike[str]) -> int:
    """Bytes that may still be written below a path that exists."""
    return shutil.disk_usage(path).free


def in_words(count: float) -> str:
    """A number of bytes with two digits or three: 940 MB, 1.4 GB."""
    for unit in _UNITS[:-1]:
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} {_UNITS[-1]}"


def _check(
    needed: int, free: int, work: str, kind: str, where: str, less: str | None, least: int | None = None
) -> None:
    sentence = f"{work} needs about {in_words(needed)} {kind}, and {in_words(free)} are {where}"
    if (needed if least is None else least) > free:
        raise CapacityError(sentence if less is None else f"{sentence}; {less}")
    if needed > NEAR * free:
        warnings.warn(f"{sentence}: it may not be enough", RuntimeWarning, stacklevel=4)


def _existing(path: Path) -> Path:
    """The nearest directory above a path that exists."""
    path = path.absolute()
    return next((folder for folder in (path, *path.parents) if folder.is_dir()), Path("/"))
