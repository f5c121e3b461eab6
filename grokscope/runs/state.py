"""What a resume continues from: tensors, and a JSON object beside them. No pickle.

state.json names the safetensors file that it belongs to, with its size and digest. Two file names take turns, so that
replacing state.json switches from one complete state to the next at once. The state before stays, and state.json
describes it too: `grokscope repair` falls back on it where the last one is damaged.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from grokscope.disk.files import digest, json_bytes, read_json, write_atomic
from grokscope.runs.errors import RunError
from grokscope.runs.file_record import FileRecord
from grokscope.runs.layout import STATE, STATE_TENSORS
from grokscope.runs.manifest import deserialise, serialise
from grokscope.runs.seals import REPAIR, Seals


@dataclass(frozen=True)
class SavedState:
    """A resume state as state.json describes it."""

    record: FileRecord
    """The file of its tensors."""
    names: list[str]
    """Names of the tensors, in their order."""
    info: dict[str, Any]

    def values(self) -> dict[str, Any]:
        """What state.json holds of it."""
        record = {"file": self.record.file, "bytes": self.record.bytes, "sha256": self.record.sha256}
        return {**record, "tensors": self.names, "info": self.info}

    def load(self, path: Path) -> dict[str, Tensor]:
        """Its tensors in their order, verified. Raises `RunError`."""
        tensors = deserialise(self.record.read(path), path / self.record.file)
        if sorted(self.names) != sorted(tensors):
            raise RunError(f"{path / STATE} is damaged: it does not name the tensors of {self.record.file}. {REPAIR}")
        return {name: tensors[name] for name in self.names}


def write_state(
    path: Path, tensors: dict[str, Tensor], info: str, seal: Callable[[FileRecord], None] = lambda record: None
) -> None:
    """Replace the resume state of the run directory `path`; `info` is a JSON object. Raises OSError.

    The order of `tensors` is kept: sums over a state that was loaded come out as they would have.

    Arguments:
        seal: called with the record of state.json before that is replaced, when all else is durable.
    """
    last = saved_states(path)[0] if (path / STATE).exists() else None
    file = STATE_TENSORS[1] if last is not None and last.record.file == STATE_TENSORS[0] else STATE_TENSORS[0]
    data = serialise(tensors)
    write_atomic(path / file, data)
    state = SavedState(FileRecord.of(file, data), list(tensors), json.loads(info))
    write_states(path, [state] if last is None else [state, last], seal)


def write_states(
    path: Path, states: list[SavedState], seal: Callable[[FileRecord], None] = lambda record: None
) -> None:
    """Write state.json, of the last state and of the one before. Raises OSError."""
    values = states[0].values() | {"previous": states[1].values() if len(states) > 1 else None}
    content = json_bytes(values)
    seal(FileRecord.of(STATE, content))
    write_atomic(path / STATE, content)


def read_state(path: Path, seals: Seals | None = None) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and information of the last state; None if there is none.

    Raises `RunError` if it is damaged, or no state that was sealed.
    """
    if not (path / STATE).exists():
        return None  # training can begin anew: what it gives is compared with the checkpoints that are there
    refuse_unsealed_state(path, seals)
    (last, *_) = saved_states(path)
    return last.load(path), last.info


def refuse_unsealed_state(path: Path, seals: Seals | None) -> None:
    """Raise `RunError` if state.json is none that was sealed. Raises OSError where it cannot be read."""
    if seals is not None and digest((path / STATE).read_bytes()) not in seals.states:
        raise RunError(f"{path / STATE} has changed since it was written. {REPAIR}")


def state_record(path: Path) -> FileRecord | None:
    """The recorded size and digest of the state's tensors, None if there is no state. Raises `RunError`."""
    return saved_states(path)[0].record if (path / STATE).exists() else None


def saved_states(path: Path) -> list[SavedState]:
    """The last state, and the one before it if there was one. Raises `RunError` for a damaged state.json."""
    values = read_json(path / STATE, RunError)
    described = [values, *([values["previous"]] if values.get("previous") is not None else [])]
    return [_state(path, one) for one in described]


def _state(path: Path, values: Any) -> SavedState:
    if not isinstance(values, dict):
        raise RunError(f"{path / STATE} is damaged: the state before is no object. {REPAIR}")
    file, size, sha256 = values.get("file"), values.get("bytes"), values.get("sha256")
    names, info = values.get("tensors"), values.get("info")
    if (
        file not in STATE_TENSORS
        or not isinstance(size, int)
        or not isinstance(sha256, str)
        or not isinstance(names, list)
        or not all(isinstance(name, str) for name in names)
        or not isinstance(info, dict)
    ):
        raise RunError(f"{path / STATE} is damaged: it needs file, bytes, sha256, tensors and info. {REPAIR}")
    return SavedState(FileRecord(file, size, sha256), names, info)
