"""The error of everything that goes wrong with a run directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from grokscope.disk import DiskError, disk_errors


class RunError(DiskError):
    """A run directory that cannot be used as asked; the message names the file and what is wrong with it."""


class RunLocked(RunError):
    """A run that another process is training."""


@contextmanager
def run_errors(doing: str) -> Iterator[None]:
    """Turn an `OSError` of the block (disk full, no permission) into a `RunError`: "cannot {doing}: why"."""
    with disk_errors(doing, RunError):
        yield
