"""seals.jsonl: what the other files of a run must be.

A line is added whenever all files of a run are known to belong together:

    created   config.json and task.safetensors, which never change; with a copy of what config.json holds
    adopted   the same, of a run that is older than seals or has lost them: as its files were found then
    reopened  a process has taken the run up again; with the environment, where it is another than before
    resumed   what the logs are cut back to, because training goes on from an earlier step
    state     a resume state, and the logs up to it
    closed    every file, as a process left the run; with the row that a listing shows of it

The logs (the manifest, metrics and probes) are appended to: a seal is of their beginning, as far as they went then.
Each line holds the sha256 of itself and of the line before, so that a line that is changed, removed or put in breaks
the chain. Whoever writes a whole chain anew can write what he likes: a seal shows damage and edits, not forgery.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from grokscope.disk.files import JsonLines, LineAppender, digest, json_lines, parse_lines
from grokscope.runs.errors import RunError, run_errors
from grokscope.runs.file_record import FileRecord
from grokscope.runs.layout import (
    CONFIG,
    MANIFEST,
    METRICS,
    METRICS_TABLE,
    PROBES,
    SEALS,
    STATE,
    STATUS,
    TASK,
    folder_words,
)

Event = Literal["created", "adopted", "reopened", "resumed", "state", "closed"]

LOGS = (MANIFEST, METRICS, PROBES)
"""The files that are appended to."""
WHOLE = (CONFIG, TASK, STATUS, METRICS_TABLE, STATE)
"""The files that are sealed as a whole."""


@dataclass(frozen=True)
class Seals:
    """The seals of a run, oldest first."""

    path: Path
    """The run directory."""
    events: tuple[Mapping[str, Any], ...]

    @property
    def begun(self) -> Event:
        """`created` or `adopted`."""
        return self.events[0]["event"]

    @property
    def closing(self) -> Mapping[str, Any] | None:
        """The last seal, where the run has not been taken up again since it was closed."""
        last = self.events[-1]
        return last if last["event"] == "closed" else None

    @cached_property
    def created_as(self) -> dict[str, Any]:
        """What config.json held when the run was made."""
        return self.events[0]["config"]

    @cached_property
    def whole(self) -> dict[str, FileRecord]:
        """The files that must be as they were written: those that never change, and all others of a closed run."""
        return _records(self.events[0]["whole"]) | _records((self.closing or {}).get("whole", {}))

    @cached_property
    def starts(self) -> dict[str, FileRecord]:
        """What the logs begin with, as far as they are sealed."""
        starts: dict[str, FileRecord] = {}
        for event in self.events:
            starts |= _records(event.get("start", {}))
        return starts

    @cached_property
    def states(self) -> frozenset[str]:
        """The digests of every state.json that there was."""
        return frozenset(event["whole"][STATE][1] for event in self.events if STATE in event["whole"])

    @cached_property
    def environments(self) -> list[tuple[int, dict[str, Any]]]:
        """The environments that the run was trained in, each with the step that it was taken up at."""
        later = [(event["step"], event["environment"]) for event in self.events if "environment" in event]
        return [(0, self.created_as.get("environment", {})), *later]

    def refuse_changed(self, file: str) -> None:
        """Raise `RunError` if a file that is sealed as a whole is not as it was."""
        if file in self.whole and (wrong := self.whole[file].check(self.path)) is not None:
            raise RunError(f"{wrong[1]}. {REPAIR}")


REPAIR = "`grokscope repair` sets right what can be"


def _records(values: Mapping[str, Any]) -> dict[str, FileRecord]:
    return {file: FileRecord.of_values(file, pair) for file, pair in values.items()}


def parse_seals(path: Path) -> tuple[Seals | None, JsonLines, str | None]:
    """The seals of the run at `path` as far as they follow from each other, their lines, and what is wrong with them.

    No seals: the run is older than they are, or the first of them is damaged. Raises `RunError` for a file that cannot
    be read.
    """
    file = path / SEALS
    if file.is_dir():
        return None, parse_lines(b""), folder_words(file)
    with run_errors(f"read {file}"):
        data = file.read_bytes() if file.exists() else b""
    lines = parse_lines(data)
    events: list[dict[str, Any]] = []
    problem = f"{file} is damaged: line {lines.damaged[0]} is no JSON object" if lines.damaged else None
    for number, row in enumerate(lines.rows, start=1):
        chain = events[-1]["chain"] if events else ""
        if not _is_seal(row, first=not events) or row.get("chain") != _chain(chain, row):
            problem = problem or f"{file} is damaged: line {number} is not the one that followed line {number - 1}"
            break
        events.append(row)
    # The chain is of what lines say. Spaces between words change nothing, and are an edit all the same.
    if problem is None and data[: lines.complete_bytes] != json_lines(*events):
        problem = f"{file} is damaged: its lines say what they said and are written otherwise"
    return (Seals(path, tuple(events)) if events else None), lines, problem


def read_seals(path: Path) -> Seals | None:
    """The seals of the run at `path`, without a torn last line; None for a run that is older than they are.

    Raises `RunError` where they are damaged.
    """
    seals, _, problem = parse_seals(path)
    if problem is not None:
        raise RunError(f"{problem}. {REPAIR}")
    return seals


def read_log(path: Path, file: str, seals: Seals | None) -> bytes:
    """The content of a log of the run at `path`, compared with what is sealed of it: all of a closed run's.

    Raises `RunError` naming the file and what is wrong with it.
    """
    sealed = None if seals is None else seals.starts.get(file)
    try:
        return (sealed or FileRecord.of(file, b"")).read(path, start=seals is None or seals.closing is None)
    except RunError:
        later = read_seals(path)
        if later is None or seals is None or len(later.events) == len(seals.events):
            raise
        return read_log(path, file, later)  # a process has trained on since these seals were read


def read_log_rows(path: Path, file: str, seals: Seals | None) -> list[dict[str, Any]]:
    """The complete lines of a log; a torn last one is left out.

    Raises `RunError` as `read_log` does, and for a damaged line: that is not what a kill leaves, so nothing is guessed.
    """
    lines = parse_lines(read_log(path, file, seals))
    if lines.damaged:
        raise RunError(f"{path / file} is damaged: line {lines.damaged[0]} is no JSON object. {REPAIR}")
    return lines.rows


_TAIL = 1 << 16
"""Bytes in which the last two seals are looked for."""


def last_closing(path: Path) -> Seals | None:
    """The last seal of the run at `path` alone, if it closes the run; None also where that is not told by a glance.

    The chain is checked from the line before it. So a listing need not read all seals of ten thousand runs.
    """
    with suppress(OSError, ValueError, RecursionError, KeyError, TypeError):
        with (path / SEALS).open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
            *_, before, last, rest = stream.read().split(b"\n")
        row = json.loads(last)
        if not rest and row["event"] == "closed" and _is_seal(row, first=False):
            return Seals(path, (row,)) if row["chain"] == _chain(json.loads(before)["chain"], row) else None
    return None


class SealWriter:
    """Adds seals to those of a run."""

    def __init__(self, path: Path) -> None:
        """For the run at `path`, whose lock the caller holds. Raises OSError; `RunError` for damaged seals."""
        seals = read_seals(path)
        self._chain = seals.events[-1]["chain"] if seals is not None else ""
        self._lines = LineAppender(path / SEALS)

    def add(
        self,
        event: Event,
        step: int | None,
        *,
        whole: Iterable[FileRecord] = (),
        start: Iterable[FileRecord] = (),
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a seal of whole files and of beginnings of logs. Raises OSError, with the seals as they were before."""
        row: dict[str, Any] = {"event": event, "step": step}
        row["whole"] = {record.file: record.values for record in whole}
        row["start"] = {record.file: record.values for record in start}
        row |= more or {}
        row["chain"] = _chain(self._chain, row)
        self._lines.append(row)
        self._chain = row["chain"]

    def begin(
        self, event: Literal["created", "adopted"], record: Mapping[str, Any], contents: Mapping[str, bytes]
    ) -> None:
        """Add the first seal of a run. Raises OSError.

        Arguments:
            record: what config.json holds.
            contents: of the files that never change, by name.
        """
        self.add(event, None, whole=[FileRecord.of(*file) for file in contents.items()], more={"config": record})

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._lines.close()


def _chain(before: str, row: Mapping[str, Any]) -> str:
    content = {name: value for name, value in row.items() if name != "chain"}
    return digest((before + json.dumps(content, sort_keys=True)).encode())


def _is_seal(row: Mapping[str, Any], *, first: bool) -> bool:
    """Whether a line has what every seal has, and names no file but those of a run."""
    whole, start, step = row.get("whole"), row.get("start"), row.get("step")
    if not isinstance(whole, dict) or not isinstance(start, dict) or not isinstance(row.get("environment", {}), dict):
        return False
    if row.get("event") not in get_args(Event) or not (step is None or type(step) is int):
        return False
    if first != (row["event"] in ("created", "adopted")):
        return False
    if first and (not isinstance(row.get("config"), dict) or CONFIG not in whole):
        return False
    try:
        _records(whole | start)
    except ValueError:
        return False
    return whole.keys() <= set(WHOLE) and start.keys() <= set(LOGS)
