"""task.safetensors: what is in a task that is given by its labels or by all its examples.

config.json names the digest and the size of the file where the setting would stand, so that another file in its place,
or a damaged one, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grokscope.config import RunConfig
from grokscope.config.stored import DIGEST, Stored
from grokscope.disk.files import read_json, write_atomic
from grokscope.runs.errors import RunError
from grokscope.runs.layout import CONFIG, TASK
from grokscope.runs.manifest import FileRecord

SETTINGS = ("labels", "given")
"""Settings of a task whose values are contents of files; a task has one of them at most."""

_REFERENCE = re.compile(DIGEST + r"([0-9a-f]{64}) of (\d{1,12}) bytes")


def write_task(path: Path, config: RunConfig) -> None:
    """Write the content of a run's task into its directory, if the task is given by one. Raises OSError."""
    stored = config.task.labels or config.task.given
    if stored is not None:
        write_atomic(path / TASK, stored.content)


def without_content(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config as `to_dict` wrote it, with the digest of a content in its place."""
    task = {
        name: f"{DIGEST}{value.sha256} of {len(value.content)} bytes" if isinstance(value, Stored) else value
        for name, value in config["task"].items()
    }
    return {**config, "task": task}


def with_content(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    """The recorded config of the run at `path` with the content of its task's file, if it has one.

    Raises `RunError` naming the file where it is missing, or is not the one that was recorded.
    """
    for name in SETTINGS:
        record = _record(path, config, name)
        if record is not None:
            config = {**config, "task": {**config["task"], name: Stored.from_bytes(record.read(path))}}
    return config


def task_record(path: Path) -> FileRecord | None:
    """The recorded size and digest of the file of a run's task; None if it has none. Raises `RunError`."""
    config = read_json(path / CONFIG, RunError).get("config")
    records = [_record(path, config, name) for name in SETTINGS] if isinstance(config, dict) else []
    return next((record for record in records if record is not None), None)


def _record(path: Path, config: Mapping[str, Any], name: str) -> FileRecord | None:
    task = config.get("task")
    value = task.get(name) if isinstance(task, dict) else None
    if value is None:
        return None
    match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise RunError(f"{path / CONFIG} is damaged: task.{name} must be the digest and size of {TASK}")
    return FileRecord(TASK, int(match[2]), match[1])
