"""The manifest, one line `{step, file, bytes, sha256}` per checkpoint, and one checkpoint on disk.

A checkpoint is one safetensors file. Its line is added only after the file is durable, so that whatever
the manifest lists was there once, whole; a checkpoint that it does not list does not count.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from grokscope.disk.files import JsonLines, parse_lines
from grokscope.runs.errors import RunError
from grokscope.runs.file_record import FileRecord
from grokscope.runs.layout import MANIFEST, checkpoint_file, checkpoint_steps
from grokscope.runs.seals import REPAIR, Seals, read_log


@dataclass(frozen=True)
class Entry(FileRecord):
    """One line of the manifest."""

    step: int

    def row(self) -> dict[str, Any]:
        """The line as it is written."""
        values = asdict(self)
        return {name: values[name] for name in ("step", "file", "bytes", "sha256")}

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> Entry | None:
        """The entry that a line holds; None if it holds none.

        The file's name must be the one that the step has, so that a manifest cannot point out of its run.
        """
        step, size, sha256 = row.get("step"), row.get("bytes"), row.get("sha256")
        if type(step) is not int or step < 0 or type(size) is not int or not isinstance(sha256, str):
            return None
        return cls(checkpoint_file(step), size, sha256, step) if row.get("file") == checkpoint_file(step) else None


def parse_manifest(path: Path, data: bytes) -> tuple[dict[int, Entry], JsonLines, list[str]]:
    """Entries by increasing step in the content of a run's manifest, its lines, and a sentence for each damaged one."""
    file = path / MANIFEST
    lines = parse_lines(data)
    problems = [f"{file} is damaged: line {number} is no JSON object" for number in lines.damaged]
    entries: dict[int, Entry] = {}
    for row in lines.rows:
        entry = Entry.of_row(row)
        if entry is None:
            problems.append(f"{file} is damaged: {row!r} describes no checkpoint")
        elif entry.step in entries:
            problems.append(f"{file} is damaged: it lists step {entry.step} twice")
        else:
            entries[entry.step] = entry
    return {step: entries[step] for step in sorted(entries)}, lines, problems


def read_manifest(path: Path, seals: Seals | None = None) -> dict[int, Entry]:
    """Entries by increasing step, without a torn last line.

    Arguments:
        seals: what the manifest must begin with.

    Raises `RunError` if it is missing, saying which checkpoints that leaves unlisted, if it is damaged, or if it is not
    what was sealed.
    """
    entries, _, problems = parse_manifest(path, manifest_data(path, seals))
    if problems:
        raise RunError(f"{problems[0]}. {REPAIR}")
    return entries


def manifest_data(path: Path, seals: Seals | None) -> bytes:
    """The content of the manifest; raises as `read_manifest` does for one that is missing or not what was sealed."""
    file = path / MANIFEST
    if not file.exists():
        steps = checkpoint_steps(path)
        there = (
            f"{len(steps)} checkpoints are unlisted ({_span(steps)})" if steps else "there are no checkpoints either"
        )
        raise RunError(f"{file} is missing: {there}. Without it nothing says whether a checkpoint is whole. {REPAIR}")
    return read_log(path, MANIFEST, seals)


def serialise(tensors: dict[str, Tensor]) -> bytes:
    """Tensors as the content of a safetensors file; the same tensors give the same bytes.

    No metadata is written: safetensors writes several keys of it in an order that changes from call to call.
    """
    return safetensors.torch.save(tensors)


def deserialise(data: bytes, file: Path) -> dict[str, Tensor]:
    """The tensors in the content of a safetensors file. Raises `RunError`, naming the file, where it is none."""
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{file} is no safetensors file: {error}") from None


def snapshot(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU, contiguous and independent of each other, that later updates leave alone."""
    layout = torch.contiguous_format
    return {name: value.detach().to("cpu", copy=True, memory_format=layout) for name, value in tensors.items()}


def _span(steps: list[int]) -> str:
    shown = ", ".join(map(str, steps[:5]))
    return f"steps {shown}" if len(steps) <= 5 else f"steps {shown}, ..., {steps[-1]}"
