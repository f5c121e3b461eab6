"""Whether something can be written to a place: asked before work that takes long, whose results are to go there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from grokscope.disk.errors import DiskError, disk_errors


def check_folder(path: Path, error: type[DiskError] = DiskError) -> None:
    """Raise `error`, saying why, unless files can be made in a folder. It may be a link, and need not be there yet."""
    with disk_errors(f"write to {path}", error):
        there = next(one for one in (path, *path.parents) if os.path.lexists(one))
        if not there.exists():
            raise error(f"cannot write to {path}: {there} is a link to nothing")
        if not there.is_dir():
            raise error(f"cannot write to {path}: {there} is not a directory")
        if not os.access(there, os.W_OK | os.X_OK):
            _fail(errno.EROFS if os.statvfs(there).f_flag & os.ST_RDONLY else errno.EACCES)
        longest = os.pathconf(there, "PC_NAME_MAX")  # -1: there is no limit
        if 0 <= longest < max((len(os.fsencode(part)) for part in path.parts), default=0):
            _fail(errno.ENAMETOOLONG)


def check_file(path: Path, error: type[DiskError] = DiskError) -> None:
    """Raise `error`, saying why, unless a file can be written, or replaced, whose folder need not be there yet."""
    if os.path.isdir(path):
        raise error(f"cannot write {path}: it is a directory")
    check_folder(path.parent, error)


def _fail(number: int) -> None:
    raise OSError(number, os.strerror(number))
