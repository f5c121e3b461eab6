"""The manifest, one line `{step, file, bytes, sha256}` per checkpoint, and one checkpoint on disk.

A checkpoint is one safetensors file. Its line is added only after the file is durable, so that whatever
the manifest lists was there once, whole; a checkpoint that it does not list does not count.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from torch import Tensor

from grokscope.disk.files import JsonLines, digest, read_lines
from grokscope.runs.errors import RunError, run_errors
from grokscope.runs.layout import MANIFEST, checkpoint_file, checkpoint_steps

Problem = Literal["missing", "truncated", "digest mismatch"]


@dataclass(frozen=True)
class FileRecord:
    """A file and what is known about its content."""

    file: str
    """Path relative to the run directory."""
    bytes: int
    sha256: str

    def check(self, path: Path) -> tuple[Problem, str] | None:
        """What is wrong with the file of the run at `path`, and in words; None if it is as recorded."""
        full = path / self.file
        with run_errors(f"read {full}"):
            if not full.is_file():
                return "missing", f"{full} is missing"
            size = full.stat().st_size
            if size != self.bytes:
                return self._wrong_size(full, size)
            with full.open("rb") as stream:
                actual = hashlib.file_digest(stream, "sha256").hexdigest()
        return None if actual == self.sha256 else self._wrong_digest(full, actual)

    def read(self, path: Path) -> bytes:
        """The verified content of the file. Raises `RunError` naming the file and what is wrong with it."""
        full = path / self.file
        try:
            data = full.read_bytes()
        except FileNotFoundError:
            raise RunError(f"{full} is missing") from None
        except OSError as error:
            raise RunError(f"cannot read {full}: {error.strerror or error}") from error
        if len(data) != self.bytes:
            raise RunError(self._wrong_size(full, len(data))[1])
        if (actual := digest(data)) != self.sha256:
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


@dataclass(frozen=True)
class Entry(FileRecord):
    """One line of the manifest."""

    step: int

    def row(self) -> dict[str, Any]:
        """The line as it is written."""
        values = asdict(self)
        return {name: values[name] for name in ("step", "file", "bytes", "sha256")}

    @classmethod
    def of(cls, row: dict[str, Any]) -> Entry | None:
        """The entry that a line holds; None if it holds none.

        The file's name must be the one that the step has, so that a manifest cannot point out of its run.
        """
        step, size, sha256 = row.get("step"), row.get("bytes"), row.get("sha256")
        if type(step) is not int or step < 0 or type(size) is not int or not isinstance(sha256, str):
            return None
        return cls(checkpoint_file(step), size, sha256, step) if row.get("file") == checkpoint_file(step) else None


def parse_manifest(path: Path) -> tuple[dict[int, Entry], JsonLines, list[str]]:
    """Entries by increasing step, the lines they came from, and a sentence for each damaged line.

    Raises `RunError` if the manifest is missing, saying which checkpoints it leaves unlisted.
    """
    file = path / MANIFEST
    if not file.exists():
        steps = checkpoint_steps(path)
        there = (
            f"{len(steps)} checkpoints are unlisted ({_span(steps)})" if steps else "there are no checkpoints either"
        )
        raise RunError(
            f"{file} is missing: {there}. Without it nothing says whether a checkpoint is whole; "
            "restore it from a copy, or train the run again"
        )
    lines = read_lines(file, RunError)
    problems = [f"{file} is damaged: line {number} is no JSON object" for number in lines.damaged]
    entries: dict[int, Entry] = {}
    for row in lines.rows:
        entry = Entry.of(row)
        if entry is None:
            problems.append(f"{file} is damaged: {row!r} describes no checkpoint")
        elif entry.step in entries:
            problems.append(f"{file} is damaged: it lists step {entry.step} twice")
        else:
            entries[entry.step] = entry
    return {step: entries[step] for step in sorted(entries)}, lines, problems


def read_manifest(path: Path) -> dict[int, Entry]:
    """Entries by increasing step, without a torn last line. Raises `RunError` if it is missing or damaged."""
    entries, _, problems = parse_manifest(path)
    if problems:
        raise RunError(problems[0])
    return entries


def serialise(tensors: dict[str, Tensor]) -> bytes:
    """Tensors as the content of a safetensors file; the same tensors give the same bytes.

    No metadata is written: safetensors writes several keys of it in an order that changes from call to call.
    """
    return safetensors.torch.save(tensors)


def deserialise(data: bytes) -> dict[str, Tensor]:
    """The tensors in the content of a safetensors file."""
    return safetensors.torch.load(data)


def snapshot(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU, contiguous and independent of each other, that later updates leave alone."""
    layout = torch.contiguous_format
    return {name: value.detach().to("cpu", copy=True, memory_format=layout) for name, value in tensors.items()}


def _span(steps: list[int]) -> str:
    shown = ", ".join(map(str, steps[:5]))
    return f"steps {shown}" if len(steps) <= 5 else f"steps {shown}, ..., {steps[-1]}"
