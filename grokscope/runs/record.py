"""config.json and status.json: what a run is, and how far it has come."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args

import psutil

from grokscope.config import ConfigError, RunConfig, UnknownMethod, forward_path, from_dict, loaded_plugins, to_dict
from grokscope.disk.files import read_json, write_json
from grokscope.runs.environment import environment
from grokscope.runs.errors import RunError
from grokscope.runs.layout import CONFIG, SEALS, STATUS
from grokscope.runs.seals import Seals, read_seals
from grokscope.runs.task_file import with_content, without_content

FORMAT = 1
"""Version of the layout of a run directory."""

_LONGEST_SHOWN = 60
"""Characters of a value in a message."""

State = Literal["running", "finished", "diverged", "interrupted", "failed"]
"""finished: the budget or a stopping rule was reached. diverged: a loss or gradient was not finite.
interrupted: stopped from outside. failed: stopped by an error."""

ENDED: tuple[State, ...] = ("finished", "diverged")
"""States of a run that has nothing left to train."""


@dataclass(frozen=True)
class Record:
    """What config.json holds."""

    config: RunConfig
    environment: Mapping[str, Any]
    """That the run was created in."""
    forward: Mapping[str, Any] | None
    """Which path trained it (`name`), and why not the one that its config asks for (`why`); None: not recorded."""
    imported: dict[str, Any] | None
    """Where the weights of a network trained elsewhere are from; None for other runs."""
    parent: dict[str, Any] | None
    """Which run it branched off; None for other runs."""


def new_record(config: RunConfig, origin: Mapping[str, Any]) -> dict[str, Any]:
    """What config.json of a new run holds.

    Arguments:
        origin: where the run is from, if it does not start from nothing: `imported` or `parent`.
    """
    record = {
        "format": FORMAT,
        "sealed": True,
        "created": now(),
        "config": without_content(to_dict(config)),
        "environment": environment(),
    }
    if "imported" not in origin:
        record["forward"] = asdict(forward_path(config))
    if loaded_plugins():  # for the reader alone: nothing that a run names is ever imported
        record["plugins"] = list(loaded_plugins())
    return {**record, **origin}


def read_record(path: Path, seals: Seals | None = None) -> Record:
    """What config.json of the run at `path` holds.

    Arguments:
        seals: of the run, if they have been read already.

    Raises `RunError` where it is damaged, or is not what was written when the run was made: with the settings that
    differ.
    """
    file = path / CONFIG
    values = read_json(file, RunError)
    seals = read_seals(path) if seals is None else seals
    _refuse_other(path, values, seals)
    if values.get("format") != FORMAT:
        raise RunError(f"{file} has format {values.get('format')!r}; this version of grokscope reads format {FORMAT}")
    if not isinstance(values.get("config"), dict) or not isinstance(values.get("environment"), dict):
        raise RunError(f"{file} is damaged: it needs the objects 'config' and 'environment'")
    for name in ("forward", "imported", "parent"):
        if not isinstance(values.get(name), dict | None):
            raise RunError(f"{file} is damaged: {name!r} must be an object")
    return Record(
        _config(path, values), values["environment"], *(values.get(name) for name in ("forward", "imported", "parent"))
    )


def _refuse_other(path: Path, values: dict[str, Any], seals: Seals | None) -> None:
    """Raise `RunError` where config.json is not the one that the run was made with."""
    file = path / CONFIG
    if seals is None:
        if values.get("sealed"):
            raise RunError(
                f"{path / SEALS} is missing: nothing says any more that the files of {path} are as they were written. "
                "`grokscope repair` makes it anew from what is there"
            )
        return
    wrong = seals.whole[CONFIG].check(path)
    if wrong is None:
        return
    changes = _changes(seals.created_as, values)
    listed = "; ".join(f"{name} is {_short(there)}, was {_short(made)}" for name, made, there in changes)
    raise RunError(
        f"{file} has changed since the run was made{': ' if listed else ''}{listed}. A run keeps the settings that it "
        "began with: for others, branch off it (`grokscope branch`) or train a new run; `grokscope repair` puts back "
        "what was there"
    )


def _changes(made: Mapping[str, Any], there: Mapping[str, Any], before: str = "") -> list[tuple[str, Any, Any]]:
    """What differs between two nested objects: full name, and both values."""
    changes: list[tuple[str, Any, Any]] = []
    for name in dict.fromkeys([*made, *there]):
        was, now_is = made.get(name), there.get(name)
        full = f"{before}{name}"
        if isinstance(was, dict) and isinstance(now_is, dict):
            changes += _changes(was, now_is, "" if full == "config" else f"{full}.")
        elif was != now_is or type(was) is not type(now_is):
            changes.append((full, was, now_is))
    return changes


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}..."


def _config(path: Path, values: Mapping[str, Any]) -> RunConfig:
    """The config in what config.json holds."""
    file = path / CONFIG
    try:
        return from_dict(with_content(path, values["config"]), recorded=True)
    except UnknownMethod as error:
        used = values.get("plugins")
        shown = f"; the run was trained with {', '.join(map(repr, used))}" if isinstance(used, list) and used else ""
        raise RunError(
            f"{file} needs a method that no imported module declares ({error}): import the module that declares it, "
            f"then open the run again; for a command, name it: --plugin MODULE{shown}"
        ) from error
    except ConfigError as error:
        raise RunError(f"{file} is damaged: {error}") from error


@dataclass(frozen=True)
class Status:
    """How far a run has come, and why it stopped there."""

    state: State
    step: int | None = None
    """The last step that was trained, as far as is known."""
    reason: str | None = None
    host: str = ""
    pid: int = 0
    process_started: float = 0.0
    """With `host` and `pid`: the process that wrote this. Seconds since the epoch."""
    updated: str = ""

    @property
    def writer(self) -> str:
        """The process that wrote this, in words."""
        return f"process {self.pid} on {self.host}"


_STATUS_TYPES = {
    "state": str,
    "step": (int, NoneType),
    "reason": (str, NoneType),
    "host": str,
    "pid": int,
    "process_started": (int, float),
    "updated": str,
}


def write_status(path: Path, state: State, step: int | None, reason: str | None) -> None:
    """Write status.json into the run directory `path`. Raises OSError; `RunError` for an unknown state."""
    if state not in get_args(State):
        raise RunError(f"status {state!r} is not accepted: use one of {', '.join(get_args(State))}")
    process = psutil.Process()
    status = Status(state, step, reason, socket.gethostname(), process.pid, process.create_time(), now())
    write_json(path / STATUS, dataclasses.asdict(status))


def read_status(path: Path) -> Status:
    """The status of a run; `interrupted` if it says `running` but its process, on this machine, is gone.

    A process on another machine is taken at its word. Raises `RunError` if the file is missing or damaged.
    """
    file = path / STATUS
    values = read_json(file, RunError)
    try:
        status = Status(**values)
    except TypeError:
        raise RunError(f"{file} is damaged: it holds {', '.join(values)}") from None
    for name, kinds in _STATUS_TYPES.items():
        if not isinstance(value := getattr(status, name), kinds) or isinstance(value, bool):
            raise RunError(f"{file} is damaged: {name} = {_short(value)} is no value of it")
    if status.state not in get_args(State):
        raise RunError(f"{file} is damaged: status {status.state!r} is none of {', '.join(get_args(State))}")
    if status.state == "running" and status.host == socket.gethostname() and not _is_alive(status):
        reason = f"{status.writer} ended without finishing the run"
        return dataclasses.replace(status, state="interrupted", reason=reason)
    return status


def _is_alive(status: Status) -> bool:
    try:
        process = psutil.Process(status.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        # The same number may by now belong to another process; 2 s allows for a corrected clock.
        return abs(process.create_time() - status.process_started) < 2
    except (psutil.NoSuchProcess, ValueError, OverflowError):  # the latter two for what is no process number
        return False
    except psutil.AccessDenied:
        return True


def now() -> str:
    """The time in UTC, to the second, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
