"""Durable writes, and JSON lines that survive a kill in the middle of one.

A file is replaced whole or not at all: temporary file in the same directory, fsync, rename, fsync of the
directory. A JSON-lines file is appended to, one fsync per line; a line counts once its newline is there,
so that what a kill leaves of a line is recognised (`JsonLines.torn`) and cut off by the next writer.
"""

from __future__ import annotations

import errno
import json
import os
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any

from grokscope.disk.errors import DiskError, disk_errors

_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""Errors of fsync that say that there is no such thing here."""

MOST_JSON = 100_000_000
"""Bytes that are read as one JSON object: more than ten times what the config of a run has that gives a group of 720
elements by its table."""

TEMPORARY = ".tmp"
"""Suffix of files that are being written; one that is left over was interrupted and means nothing."""


def write_atomic(path: Path, data: bytes) -> None:
    """Make `path` hold `data`, durably; after a crash it holds either that or what it held before.

    Raises OSError, with no temporary file left behind.
    """
    # A name of its own: two processes that replace the same file must not write into each other's.
    temporary = path.with_name(f".{path.name}.{token_hex(4)}{TEMPORARY}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            _write_all(descriptor, data)
            _sync(descriptor, temporary)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the directory's entries durable: a new name is not until then."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _sync(descriptor, path)
    finally:
        os.close(descriptor)


def _sync(descriptor: int, path: Path) -> None:
    """fsync; where the file system has none, as some network mounts for directories, a warning, once."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
        if not _unsynced:  # one warning a process
            _unsynced.append(path)
            warnings.warn(
                f"the file system of {path.parent} cannot make files durable at once ({error.strerror}): if the "
                "machine stops, what was written in the last seconds may be lost; nothing is lost if a process does",
                RuntimeWarning,
                stacklevel=2,
            )


_unsynced: list[Path] = []
"""The first path that could not be made durable."""


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """`write_atomic` for an indented JSON object."""
    write_atomic(path, json_bytes(value))


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """An indented JSON object as the content of a file."""
    return (json.dumps(value, indent=2) + "\n").encode()


def read_json(path: Path, error: type[DiskError] = DiskError) -> dict[str, Any]:
    """The JSON object in a file. Raises `error` where there is none."""
    with disk_errors(f"read {path}", error):
        size = path.stat().st_size
        if size > MOST_JSON:
            raise error(f"{path} is damaged: it has {size} bytes, and no file of its kind has more than {MOST_JSON}")
        data = path.read_bytes()
    try:
        value = json.loads(data.decode())
    except (ValueError, RecursionError) as cause:
        raise error(f"{path} is damaged: it is not JSON ({cause})") from None
    if not isinstance(value, dict):
        raise error(f"{path} is damaged: it holds {type(value).__name__} where an object is expected")
    return value


def digest(data: bytes) -> str:
    """sha256 in hexadecimal."""
    return sha256(data).hexdigest()


@dataclass(frozen=True)
class JsonLines:
    """What a JSON-lines file holds."""

    rows: list[dict[str, Any]]
    damaged: tuple[int, ...]
    """Numbers (from 1) of complete lines that are no JSON object."""
    torn: bool
    """Whether the file ends in the middle of a line: the trace of a kill while it was written."""
    complete_bytes: int
    """Where the last complete line ends."""


def read_lines(path: Path, error: type[DiskError] = DiskError) -> JsonLines:
    """Read a JSON-lines file as far as it is complete. Raises `error` if it cannot be read at all."""
    with disk_errors(f"read {path}", error):
        return parse_lines(path.read_bytes())


def parse_lines(data: bytes) -> JsonLines:
    """The content of a JSON-lines file, as far as it is complete."""
    complete_bytes = data.rfind(b"\n") + 1
    rows, damaged = [], []
    for number, line in enumerate(data[:complete_bytes].split(b"\n")[:-1], start=1):
        if not line.strip():  # says nothing, and takes nothing away
            continue
        try:
            row = json.loads(line.decode())
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            rows.append(row)
        else:
            damaged.append(number)
    return JsonLines(rows, tuple(damaged), complete_bytes < len(data), complete_bytes)


def json_lines(*rows: Mapping[str, Any]) -> bytes:
    """Lines of a JSON-lines file."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


class LineAppender:
    """A JSON-lines file open for appending, each line durable when `append` returns."""

    def __init__(self, path: Path) -> None:
        """Open (or make) the file and cut off a torn last line. Raises OSError."""
        self._path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            data = path.read_bytes()
            self.bytes = data.rfind(b"\n") + 1
            """Size of the file."""
            self._hash = sha256(data[: self.bytes])
            if self.bytes < len(data):
                os.ftruncate(self._descriptor, self.bytes)
                _sync(self._descriptor, path)
        except BaseException:
            os.close(self._descriptor)
            raise

    @property
    def digest(self) -> str:
        """sha256 of the file in hexadecimal."""
        return self._hash.hexdigest()

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one line. Raises OSError, with the file as it was before."""
        size = os.fstat(self._descriptor).st_size
        line = json_lines(row)
        try:
            _write_all(self._descriptor, line)
            _sync(self._descriptor, self._path)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, size)
            raise
        self.bytes += len(line)
        self._hash.update(line)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
