"""The error of files that cannot be read or written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class DiskError(ValueError):
    """A file that cannot be read or written as asked; the message names the file and what is wrong with it."""


@contextmanager
def disk_errors(doing: str, error: type[DiskError] = DiskError) -> Iterator[None]:
    """Turn an `OSError` of the block (disk full, no permission) into an `error`: "cannot {doing}: why"."""
    try:
        yield
    except OSError as cause:
        raise error(f"cannot {doing}: {cause.strerror or cause}") from cause
