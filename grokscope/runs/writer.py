"""Everything that training puts on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock
from torch import Tensor

from grokscope.config import RunConfig
from grokscope.disk.files import LineAppender, digest, json_lines, write_atomic
from grokscope.model import Weights
from grokscope.runs import layout
from grokscope.runs.background import BackgroundWriter
from grokscope.runs.closing import seal_closed
from grokscope.runs.environment import environment
from grokscope.runs.errors import RunError, run_errors
from grokscope.runs.file_record import FileRecord
from grokscope.runs.manifest import Entry, serialise, snapshot
from grokscope.runs.metrics import metric_row, write_table
from grokscope.runs.probes import probe_line, probe_lines
from grokscope.runs.record import State, Status, read_record, write_status
from grokscope.runs.seals import SealWriter, read_seals
from grokscope.runs.state import read_state, write_state
from grokscope.stopping import Stopped

_CAPACITY = 8
"""Writes that may wait for the disk before training does."""


class RunWriter:
    """A run directory that this process alone writes to: a context manager from `create_run` or `reopen_run`.

    Checkpoints, metrics and resume states are copied and queued; one background thread makes each durable
    before it starts on the next, in the order of the calls. So a state on disk implies everything that was
    saved and logged before it. An error there (disk full, a checkpoint that differs from the recorded one)
    is a `RunError` of the next call, and of every later one; what came before it stays intact.

    A block that ends without `finish` marks the run `interrupted`, or `failed` if by an error.
    """

    def __init__(
        self,
        path: Path,
        config: RunConfig,
        lock: FileLock,
        seals: SealWriter,
        entries: dict[int, Entry],
        rows: list[dict[str, Any]],
        reopened_at: Status | None = None,
    ) -> None:
        """For `create_run` and `reopen_run`, which hold the lock and have put the directory in order."""
        self.path = path
        self.config = config
        self.reopened_at = reopened_at
        """The status that the run had when it was reopened, if it could be read."""
        self._lock = lock
        self._seals = seals
        self._entries = entries  # from here on the background thread's
        self._rows = rows
        self._last_step = last_step(entries, rows)
        self._manifest = LineAppender(path / layout.MANIFEST)
        self._metrics = LineAppender(path / layout.METRICS)
        self._probes: LineAppender | None = None  # opened with the first line, so that a run without has no file
        recorded = probe_lines(path)
        self._probed = recorded[-1]["step"] if recorded else -1
        if recorded:
            self._probes = LineAppender(path / layout.PROBES)
        self._background = BackgroundWriter(_CAPACITY)
        self._closed = False

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The metrics logged so far, those of the run before it was reopened included."""
        return list(self._rows)

    @property
    def last_probed(self) -> int:
        """The last step of which probes or a trace are recorded; -1 before the first."""
        return self._probed

    def checkpoint(self, step: int, weights: Weights) -> None:
        """Save the weights after `step` updates.

        The weights are copied before this returns. A step that the manifest lists already, as after a resume
        from an earlier state, must come out with the recorded digest; nothing is overwritten.
        """
        self._check_open()
        if type(step) is not int or step < 0:
            raise RunError(f"checkpoint step = {step!r} is not accepted: use an integer >= 0")
        self._background.submit(partial(self._write_checkpoint, step, snapshot(weights)))
        self._seen(step)

    def log(self, row: Mapping[str, Any]) -> None:
        """Add a row to the metrics: `step`, later than that of the last row, and any scalars."""
        self._check_open()
        values = metric_row(row)
        if self._rows and values["step"] <= self._rows[-1]["step"]:
            raise RunError(f"metrics row at step {values['step']} comes after one at step {self._rows[-1]['step']}")
        self._background.submit(partial(self._append_metrics, values))
        self._rows.append(values)
        self._seen(values["step"])

    def log_probes(
        self,
        step: int,
        rows: Sequence[Mapping[str, Any]],
        margins: Sequence[Mapping[str, Any]] = (),
        trace: Mapping[str, Any] | None = None,
    ) -> None:
        """Add what was recorded about a step, later than the last one recorded: rows of scalars, and its trace."""
        self._check_open()
        if step <= self._probed:
            raise RunError(f"probes of step {step} come after those of step {self._probed}")
        self._background.submit(partial(self._append_probes, probe_line(step, rows, margins, trace)))
        self._probed = step

    def truncate(self, after_step: int) -> None:
        """Drop metrics and probes later than `after_step`, which a resume from a state at that step makes again."""
        self.flush()
        rows = [row for row in self._rows if row["step"] <= after_step]
        lines = probe_lines(self.path)
        kept = [line for line in lines if line["step"] <= after_step]
        logs = {layout.METRICS: (rows, len(self._rows)), layout.PROBES: (kept, len(lines))}
        contents = {file: json_lines(*left) for file, (left, before) in logs.items() if len(left) < before}
        if contents:
            with run_errors(f"write {self.path / layout.SEALS}"):
                # Before the logs are cut: a kill in between leaves them longer than they are said to be, not shorter.
                start = [FileRecord.of(file, content) for file, content in contents.items()]
                self._seals.add("resumed", after_step, start=start)
        for file, content in contents.items():
            with run_errors(f"write {self.path / file}"):
                write_atomic(self.path / file, content)
        if layout.METRICS in contents:
            self._metrics.close()
            self._metrics = LineAppender(self.path / layout.METRICS)
        if layout.PROBES in contents and self._probes is not None:
            self._probes.close()
            self._probes = LineAppender(self.path / layout.PROBES)
        self._rows = rows
        self._probed = kept[-1]["step"] if kept else -1

    def save_state(self, tensors: dict[str, Tensor], info: Mapping[str, Any]) -> None:
        """Replace the resume state: tensors (copied before this returns) and values that JSON can hold."""
        self._check_open()
        try:
            text = json.dumps(dict(info))
        except (TypeError, ValueError) as error:
            raise RunError(f"resume state is not accepted: info must be JSON ({error})") from None
        self._background.submit(partial(self._write_state, snapshot(tensors), text))

    def load_state(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The last resume state, verified; None if none was saved."""
        self.flush()
        return read_state(self.path, read_seals(self.path))

    def flush(self) -> None:
        """Return when all that was saved and logged is durable."""
        self._check_open()
        self._background.drain()

    def finish(self, status: State, reason: str | None = None, step: int | None = None) -> None:
        """Make everything durable, write metrics.parquet and the status, and give up the lock.

        If something could not be written the status becomes `failed`, as far as that can still be written,
        and a `RunError` is raised. The writer is closed in any case.
        """
        if self._closed:
            raise RunError(f"the writer of {self.path} is closed")
        self._closed = True
        try:
            self._background.close()
            failure = self._background.error
            if failure is None:
                failure = self._leave(status, reason, step)
            if failure is not None:
                self._leave("failed", str(failure), step)
                raise RunError(str(failure)) from failure
        finally:
            for file in (self._manifest, self._metrics, self._probes, self._seals):
                if file is not None:
                    file.close()
            self._lock.release()

    def _leave(self, status: State, reason: str | None, step: int | None) -> RunError | None:
        """Write the table, the status and the seal of the closed run; returns the first thing that went wrong."""
        step = self._last_step if step is None else step
        try:
            with run_errors(f"write {self.path / layout.METRICS_TABLE}"):
                write_table(self.path)
            with run_errors(f"write {self.path / layout.STATUS}"):
                write_status(self.path, status, step, reason)
            with run_errors(f"write {self.path / layout.SEALS}"):
                seal_closed(self.path, self.config, status, step)
        except RunError as error:
            return error
        return None

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._closed:
            return
        if error is None:
            self.finish("interrupted", "closed before it was finished")
            return
        with suppress(RunError):  # the error that ends the block is the one to see
            if isinstance(error, Exception):
                self.finish("failed", f"{type(error).__name__}: {error}")
            else:
                by = error.signal_name if isinstance(error, Stopped) else type(error).__name__
                self.finish("interrupted", f"stopped by {by}")

    def __repr__(self) -> str:
        return f"<RunWriter {self.path}{', closed' if self._closed else ''}>"

    def _check_open(self) -> None:
        if self._closed:
            raise RunError(f"the writer of {self.path} is closed")
        self._background.check()

    def _seen(self, step: int) -> None:
        self._last_step = step if self._last_step is None else max(step, self._last_step)

    # In the background thread.

    def _write_checkpoint(self, step: int, weights: Weights) -> None:
        file = layout.checkpoint_file(step)
        data = serialise(weights)
        entry = Entry(file, len(data), digest(data), step)
        recorded = self._entries.get(step)
        if recorded is not None and recorded != entry:
            raise RunError(
                f"the weights at step {step} differ from those in {self.path / layout.MANIFEST}: this is not "
                f"the same training any more; what is recorded is kept. {_changes(self.path)}"
            )
        if recorded is not None and recorded.check(self.path) is None:
            return
        with run_errors(f"write checkpoint {self.path / file}"):
            write_atomic(self.path / file, data)
        if recorded is None:
            with run_errors(f"write {self.path / layout.MANIFEST}"):
                self._manifest.append(entry.row())
            self._entries[step] = entry

    def _append_metrics(self, row: dict[str, Any]) -> None:
        with run_errors(f"write {self.path / layout.METRICS}"):
            self._metrics.append(row)

    def _append_probes(self, line: dict[str, Any]) -> None:
        file = self.path / layout.PROBES
        with run_errors(f"write {file}"):
            if self._probes is None:
                self._probes = LineAppender(file)
            self._probes.append(line)

    def _write_state(self, tensors: dict[str, Tensor], info: str) -> None:
        def seal(state: FileRecord) -> None:
            self._seals.add("state", json.loads(info).get("step"), whole=[state], start=self._logs())

        with run_errors(f"write resume state {self.path / layout.STATE}"):
            write_state(self.path, tensors, info, seal)

    def _logs(self) -> list[FileRecord]:
        """What the logs hold now."""
        logs = {layout.MANIFEST: self._manifest, layout.METRICS: self._metrics, layout.PROBES: self._probes}
        return [FileRecord(file, log.bytes, log.digest) for file, log in logs.items() if log is not None]


def last_step(entries: dict[int, Entry], rows: list[dict[str, Any]]) -> int | None:
    """The last step that a checkpoint or a row of metrics tells of."""
    return max([*entries, *(row["step"] for row in rows[-1:])], default=None)


def _changes(path: Path) -> str:
    made_in, here = read_record(path).environment, environment()
    changed = [f"{name} was {made_in.get(name)}, is {here[name]}" for name in here if made_in.get(name) != here[name]]
    if not changed:
        return "Versions and CPU threads are as they were; does the machine differ, or the program?"
    return f"What changed since the run was started: {'; '.join(changed)}"
