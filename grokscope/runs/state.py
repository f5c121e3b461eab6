"""What a resume continues from: tensors, and a JSON object beside them. No pickle.

state.json names the safetensors file that it belongs to, with its size and digest. Two file names take
turns, so that replacing state.json switches from one complete state to the next at once.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from grokscope.disk.files import digest, read_json, write_atomic, write_json
from grokscope.runs.errors import RunError
from grokscope.runs.layout import STATE
from grokscope.runs.manifest import FileRecord, deserialise, serialise

_FILES = ("state.0.safetensors", "state.1.safetensors")


def write_state(path: Path, tensors: dict[str, Tensor], info: str) -> None:
    """Replace the resume state of the run directory `path`; `info` is a JSON object. Raises OSError.

    The order of `tensors` is kept: sums over a state that was loaded come out as they would have.
    """
    current = _record(path)[0].file if (path / STATE).exists() else None
    file = _FILES[1] if current == _FILES[0] else _FILES[0]
    data = serialise(tensors)
    write_atomic(path / file, data)
    record = asdict(FileRecord(file, len(data), digest(data)))
    write_json(path / STATE, {**record, "tensors": list(tensors), "info": json.loads(info)})
    if current is not None:
        with suppress(OSError):
            (path / current).unlink()


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and information of the last state; None if there is none. Raises `RunError` if damaged."""
    if not (path / STATE).exists():
        return None
    record, names, info = _record(path)
    tensors = deserialise(record.read(path))
    if sorted(names) != sorted(tensors):
        raise RunError(f"{path / STATE} is damaged: it does not name the tensors of {record.file}")
    return {name: tensors[name] for name in names}, info


def state_record(path: Path) -> FileRecord | None:
    """The recorded size and digest of the state's tensors, None if there is no state. Raises `RunError`."""
    return _record(path)[0] if (path / STATE).exists() else None


def _record(path: Path) -> tuple[FileRecord, list[str], dict[str, Any]]:
    values = read_json(path / STATE, RunError)
    file, size, sha256 = values.get("file"), values.get("bytes"), values.get("sha256")
    names, info = values.get("tensors"), values.get("info")
    if (
        file not in _FILES
        or not isinstance(size, int)
        or not isinstance(sha256, str)
        or not isinstance(names, list)
        or not isinstance(info, dict)
    ):
        raise RunError(f"{path / STATE} is damaged: it needs file, bytes, sha256, tensors and info")
    return FileRecord(file, size, sha256), names, info
