"""config.json and status.json: what a run is, on what it was made, and how far it has come."""

from __future__ import annotations

import dataclasses
import platform
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, get_args

import psutil
import torch

from grokscope.blas import library
from grokscope.config import ConfigError, RunConfig, UnknownMethod, forward_path, from_dict, loaded_plugins, to_dict
from grokscope.disk.files import read_json, write_json
from grokscope.runs.errors import RunError
from grokscope.runs.layout import CONFIG, STATUS
from grokscope.runs.task_file import with_content, without_content

FORMAT = 1
"""Version of the layout of a run directory."""

State = Literal["running", "finished", "diverged", "interrupted", "failed"]
"""finished: the budget or a stopping rule was reached. diverged: a loss or gradient was not finite.
interrupted: stopped from outside. failed: stopped by an error."""

ENDED: tuple[State, ...] = ("finished", "diverged")
"""States of a run that has nothing left to train."""


def environment() -> dict[str, Any]:
    """What bit-identical weights depend on beside the config: versions, machine, CPU threads, who multiplies."""

    def of(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    return {
        "grokscope": of("grokscope"),
        "torch": of("torch"),
        "transformer-lens": of("transformer-lens"),
        "python": platform.python_version(),
        # Not platform.platform(): that starts a process, which holds a copy of the run's lock for a moment.
        "platform": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "products": library(torch.get_num_threads()),
    }


def write_config(path: Path, config: RunConfig, origin: Mapping[str, Any]) -> None:
    """Write config.json into the run directory `path`. Raises OSError.

    Arguments:
        origin: where the run is from, if it does not start from nothing: `imported` or `parent`.
    """
    record = {
        "format": FORMAT,
        "created": now(),
        "config": without_content(to_dict(config)),
        "environment": environment(),
    }
    if "imported" not in origin:
        record["forward"] = asdict(forward_path(config))
    if loaded_plugins():  # for the reader alone: nothing that a run names is ever imported
        record["plugins"] = list(loaded_plugins())
    write_json(path / CONFIG, {**record, **origin})


def read_config(path: Path) -> tuple[RunConfig, dict[str, Any]]:
    """The config of a run, and the environment that it was created in. Raises `RunError`."""
    file = path / CONFIG
    record = read_json(file, RunError)
    if record.get("format") != FORMAT:
        raise RunError(f"{file} has format {record.get('format')!r}; this version of grokscope reads format {FORMAT}")
    config, made_in = record.get("config"), record.get("environment")
    if not isinstance(config, dict) or not isinstance(made_in, dict):
        raise RunError(f"{file} is damaged: it needs the objects 'config' and 'environment'")
    config = with_content(path, config)
    try:
        return from_dict(config, recorded=True), made_in
    except UnknownMethod as error:
        used = record.get("plugins")
        shown = f"; the run was trained with {', '.join(map(repr, used))}" if isinstance(used, list) and used else ""
        raise RunError(
            f"{file} needs a method that no imported module declares ({error}): import the module that declares it, "
            f"then open the run again; for a command, name it: --plugin MODULE{shown}"
        ) from error
    except ConfigError as error:
        raise RunError(f"{file} is damaged: {error}") from error


def read_forward(path: Path) -> dict[str, Any] | None:
    """Which path trained a run (`name`), and why not the one that its config asks for (`why`); None: not recorded.

    Raises `RunError`.
    """
    recorded = read_json(path / CONFIG, RunError).get("forward")
    if recorded is not None and not isinstance(recorded, dict):
        raise RunError(f"{path / CONFIG} is damaged: 'forward' must be an object")
    return recorded


def read_origin(path: Path, kind: Literal["imported", "parent"]) -> dict[str, Any] | None:
    """Where the weights of a run were imported from, or which run it branched off; None if it did not.

    Raises `RunError`.
    """
    recorded = read_json(path / CONFIG, RunError).get(kind)
    if recorded is not None and not isinstance(recorded, dict):
        raise RunError(f"{path / CONFIG} is damaged: {kind!r} must be an object")
    return recorded


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
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def now() -> str:
    """The time in UTC, to the second, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
