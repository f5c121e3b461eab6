"""Making a run directory, and taking one up again: by one process at a time."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from grokscope.config import RunConfig, differences
from grokscope.disk.files import TEMPORARY, json_bytes, sync_directory, write_atomic
from grokscope.runs import layout
from grokscope.runs.closing import seal_closed
from grokscope.runs.environment import environment, other_rounding
from grokscope.runs.errors import RunError, RunLocked, run_errors
from grokscope.runs.file_record import FileRecord
from grokscope.runs.manifest import read_manifest
from grokscope.runs.metrics import metric_rows
from grokscope.runs.probes import probe_lines
from grokscope.runs.record import ENDED, Record, new_record, read_record, read_status, write_status
from grokscope.runs.seals import Seals, SealWriter, read_seals
from grokscope.runs.state import refuse_unsealed_state
from grokscope.runs.task_file import write_task
from grokscope.runs.writer import RunWriter, last_step


def create_run(
    path: str | os.PathLike[str],
    config: RunConfig,
    imported: Mapping[str, Any] | None = None,
    parent: Mapping[str, Any] | None = None,
) -> RunWriter:
    """Make a new run directory (and the directories above it) and open it for writing.

    `imported`, for a network trained elsewhere, says in JSON values where its weights are from, and `parent`, for a
    branch, which run and step it goes on from.
    Raises `RunError` for a path that is not accepted (`..`, leading `-`, NUL, too long), for a directory that
    exists and holds anything but the traces of a creation that was interrupted, and if it cannot be written.
    """
    run = layout.check_new_path(path)
    with run_errors(f"make run directory {run}"):
        made = not run.exists()
        run.mkdir(parents=True, exist_ok=True)
        _check_vacant(run)
        if made:
            sync_directory(run.parent)
    lock = locked(run)
    try:
        _check_vacant(run)  # again: another process may have made a run here before it gave up the lock
        with run_errors(f"make run directory {run}"):
            _remove_leftovers(run)
            (run / layout.CHECKPOINTS).mkdir(exist_ok=True)
            write_atomic(run / layout.MANIFEST, b"")
            write_atomic(run / layout.METRICS, b"")
            write_status(run, "running", None, None)
            origin = {"imported": imported, "parent": parent}
            origin = {kind: value for kind, value in origin.items() if value is not None}
            write_task(run, config)
            record = new_record(config, origin)
            write_atomic(run / layout.SEALS, b"")
            seals = SealWriter(run)
            content = json_bytes(record)
            seals.begin("created", record, {layout.CONFIG: content} | _task_content(run))
            write_atomic(run / layout.CONFIG, content)  # last of the files: what has a config.json is a run
            return RunWriter(run, config, lock, seals, {}, [])
    except BaseException:
        lock.release()
        raise


def reopen_run(path: str | os.PathLike[str], config: RunConfig | None = None, *, strict: bool = False) -> RunWriter:
    """Open a run to continue it, and clear away what an interruption left: torn last lines, temporary files.

    An environment that may round otherwise than the one that the run was trained in last is a warning, and is recorded
    in the run; with `strict` it is a `RunError`.

    Raises `RunLocked` if another process is training it; `RunError` if its manifest is missing or damaged, and, naming
    the settings, if `config` is given and is not the config of the run.
    """
    run = layout.check_path(path)
    if not layout.is_run(run):
        raise RunError(f"{run} is not a run: it has no {layout.CONFIG}")
    lock = locked(run)
    try:
        seals = read_seals(run)
        record = read_record(run, seals)
        own = record.config
        changed = differences(own, config) if config is not None else {}
        if changed:
            listed = "; ".join(f"{name} = {old!r} in the run, {new!r} given" for name, (old, new) in changed.items())
            raise RunError(f"the config of {run} cannot be changed: {listed}. Start a new run for another config")
        entries = read_manifest(run, seals)
        rows = metric_rows(run, seals)
        probe_lines(run, seals)
        if (run / layout.STATE).exists():
            refuse_unsealed_state(run, seals)
        moved = _moved(run, record, seals, strict=strict)
        with run_errors(f"write {run}"):
            _remove_leftovers(run, run / layout.CHECKPOINTS)
            (run / layout.CHECKPOINTS).mkdir(exist_ok=True)
            status = None
            with suppress(RunError):
                status = read_status(run)
            writer = SealWriter(run)
            if seals is None:
                adopt(run, writer)
            # Before anything is changed: from here on the run is not the one that was closed.
            writer.add("reopened", last_step(entries, rows), more=moved)
            (run / layout.METRICS_TABLE).unlink(missing_ok=True)
            write_status(run, "running", last_step(entries, rows), None)
            return RunWriter(run, own, lock, writer, entries, rows, status)
    except BaseException:
        lock.release()
        raise


def adopt(run: Path, seals: SealWriter) -> None:
    """Begin the seals of a run that has none, with its config, its task and its state as they are. Raises OSError."""
    content, state = (run / layout.CONFIG).read_bytes(), run / layout.STATE
    seals.begin("adopted", json.loads(content), {layout.CONFIG: content} | _task_content(run))
    if state.exists():
        seals.add("state", None, whole=[FileRecord.of(layout.STATE, state.read_bytes())])


def _task_content(run: Path) -> dict[str, bytes]:
    file = run / layout.TASK
    return {layout.TASK: file.read_bytes()} if file.exists() else {}


def _moved(run: Path, record: Record, seals: Seals | None, *, strict: bool) -> dict[str, Any]:
    """What a seal says of the environment: nothing where it rounds as the one before it does."""
    before = record.environment if seals is None else seals.environments[-1][1]
    here = environment()
    changed = other_rounding(before, here)
    if not changed:
        return {}
    said = f"{run} was trained in an environment that may round otherwise: {'; '.join(changed)}"
    if strict:
        raise RunError(f"{said}. Continue it there, or without strict")
    warnings.warn(
        f"{said}. Checkpoints of steps that are trained again are compared with those that are there; the run records "
        "this environment from here on",
        RuntimeWarning,
        stacklevel=3,
    )
    return {"environment": here}


def remove_unfinished_import(path: str | os.PathLike[str]) -> None:
    """Remove the run at a path if it is what an import that was killed has left, so that it can be imported again.

    Anything else there, a run that was trained or an import that is still being written among it, is left as it is.
    """
    run = layout.check_path(path)
    if not layout.is_run(run) or read_record(run).imported is None:
        return
    if read_status(run).state not in ("interrupted", "failed") or is_locked(run):
        return
    with run_errors(f"remove {run}"):
        shutil.rmtree(run)


def _remove_leftovers(*folders: Path) -> None:
    """Remove the files that were being written as a process was killed. Raises OSError."""
    for folder in folders:
        for leftover in folder.glob(f"*{TEMPORARY}"):
            if leftover.is_symlink() or not leftover.is_dir():  # a folder of that name is nothing that we began
                leftover.unlink()


def seal_ended(path: str | os.PathLike[str], config: RunConfig) -> bool:
    """Seal a run that has ended and is not sealed, since it was killed between its status and its seal.

    Returns whether it has been. Nothing happens to one that is sealed already, that is older than seals, or that
    another process is leaving right now.
    Raises `RunError` where it is damaged or cannot be written to.
    """
    run = layout.check_path(path)
    with suppress(RunLocked):
        if _is_open(run):
            lock = locked(run)
            try:
                status = read_status(run)
                if _is_open(run) and status.state in ENDED:
                    with run_errors(f"write {run / layout.SEALS}"):
                        seal_closed(run, config, status.state, status.step)
                    return True
            finally:
                lock.release()
    return False


def _is_open(run: Path) -> bool:
    """Whether a run has seals, and none of its end."""
    seals = read_seals(run)
    return seals is not None and seals.closing is None


def is_locked(path: str | os.PathLike[str]) -> bool:
    """Whether a process holds the lock of the directory, as one does that makes or trains a run there.

    To see that, the lock is taken and given up where it is free. Raises `RunError` where it cannot be read.
    """
    run = layout.check_path(path)
    if not (run / layout.LOCK).exists():
        return False
    try:
        locked(run).release()
    except RunLocked:
        return True
    return False


def _check_vacant(run: Path) -> None:
    """Raise `RunError` unless the directory is empty or holds only what a creation that was killed leaves."""
    if (run / layout.CONFIG).exists():
        raise RunError(f"{run} is a run already: resume it, or choose another directory")
    traces = (
        layout.LOCK,
        layout.MANIFEST,
        layout.METRICS,
        layout.STATUS,
        layout.TASK,
        layout.SEALS,
        layout.CHECKPOINTS,
    )
    with run_errors(f"read {run}"):
        names = [name for name in sorted(os.listdir(run)) if not name.endswith(TEMPORARY)]
        held = [name for name in names if name not in traces]
        held += [n for n in names if n in (layout.MANIFEST, layout.METRICS) and (run / n).stat().st_size]
        held += [layout.checkpoint_file(step) for step in layout.checkpoint_steps(run)]
    if held:
        listed = ", ".join(held[:3])
        raise RunError(f"{run} is not empty (it holds {listed}): choose a new directory for the run")


def locked(run: Path) -> FileLock:
    # Not bound to a thread: a notebook may finish a run in another one.
    lock = FileLock(run / layout.LOCK, thread_local=False)
    with run_errors(f"lock {run / layout.LOCK}"):
        try:
            lock.acquire(blocking=False)
        except Timeout:
            holder = ""
            with suppress(RunError):
                holder = f" ({read_status(run).writer})"
            raise RunLocked(
                f"{run} is being trained by another process{holder}; wait for it, or choose another run"
            ) from None
    return lock
