"""A file of a run and what is known of its content: a checkpoint, the resume state, or the beginning of a log."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from grokscope.disk.files import digest
from grokscope.runs.errors import RunError, run_errors
from grokscope.runs.layout import folder_words

Problem = Literal["missing", "truncated", "digest mismatch", "link"]


@dataclass(frozen=True)
class FileRecord:
    """A file and what is known about its content."""

    file: str
    """Path relative to the run directory."""
    bytes: int
    sha256: str

    @classmethod
    def of(cls, file: str, data: bytes) -> FileRecord:
        """The record of a file with this content."""
        return cls(file, len(data), digest(data))

    @classmethod
    def of_values(cls, file: str, values: Any) -> FileRecord:
        """The record that a pair of size and digest is of. Raises ValueError for anything else."""
        if not isinstance(values, list) or [type(value) for value in values] != [int, str]:
            raise ValueError(f"{values!r} is no pair of size and digest")
        return cls(file, *values)

    @property
    def values(self) -> list[int | str]:
        """Size and digest."""
        return [self.bytes, self.sha256]

    def check(self, path: Path, *, start: bool = False) -> tuple[Problem, str] | None:
        """What is wrong with the file of the run at `path`, and in words; None if it is as recorded.

        With `start` the record is of the file's beginning, and the file may be longer.
        """
        full = path / self.file
        with run_errors(f"read {full}"):
            if (link := leading_out(path, self.file)) is not None:
                return "link", link
            try:
                with open(full, "rb") as stream:
                    size = os.fstat(stream.fileno()).st_size
                    if size < self.bytes or (size > self.bytes and not start):
                        return self._wrong_size(full, size)
                    data = stream.read(self.bytes)
            except FileNotFoundError:
                return "missing", f"{full} is missing"
            except IsADirectoryError:
                return "missing", folder_words(full)
        actual = digest(data)
        return None if actual == self.sha256 else self._wrong_digest(full, actual)

    def read(self, path: Path, *, start: bool = False) -> bytes:
        """The verified content of the file. Raises `RunError` naming the file and what is wrong with it.

        With `start` the record is of the file's beginning: the rest is read too, and is whatever it is.
        """
        full = path / self.file
        with run_errors(f"read {full}"):
            if (link := leading_out(path, self.file)) is not None:
                raise RunError(link)
            try:
                data = full.read_bytes()
            except FileNotFoundError:
                raise RunError(f"{full} is missing") from None
        if len(data) < self.bytes or (len(data) > self.bytes and not start):
            raise RunError(self._wrong_size(full, len(data))[1])
        if (actual := digest(data[: self.bytes])) != self.sha256:
            raise RunError(self._wrong_digest(full, actual)[1])
        return data

    def _wrong_size(self, full: Path, size: int) -> tuple[Problem, str]:
        return (
            "truncated",
            f"{full} is {'truncated' if size < self.bytes else 'too long'}: {size} of {self.bytes} bytes",
        )

    def _wrong_digest(self, full: Path, actual: str) -> tuple[Problem, str]:
        return (
            "digest mismatch",
            f"{full} has changed: sha256 is {actual[:12]}..., recorded is {self.sha256[:12]}...",
        )


def leading_out(path: Path, file: str) -> str | None:
    """A sentence on the file of a run, or a folder on the way to it, that is a link to outside the run; None: neither.

    The run's own directory may be a link. Raises OSError where that cannot be told.
    """
    place = os.fspath(path)  # as text: a listing asks this of tens of thousands of files
    for part in file.split("/"):
        place = f"{place}/{part}"
        if os.path.islink(place) and not Path(place).resolve().is_relative_to(path.resolve()):
            return f"{place} is a link to outside the run: what it leads to is no file of the run"
    return None
