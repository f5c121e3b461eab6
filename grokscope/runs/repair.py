"""The way back to a run that can be used: what verifies in itself stays, what does not is set aside.

Nothing is deleted: a file that is not as it should be is moved into the run's folder `quarantine`. What is lost is
told, and what training again gives back.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from grokscope.disk.files import digest, json_bytes, json_lines, parse_lines, read_json, write_atomic
from grokscope.runs import layout
from grokscope.runs.closing import seal_closed
from grokscope.runs.content import CheckpointContent
from grokscope.runs.errors import RunError, run_errors
from grokscope.runs.file_record import FileRecord, leading_out
from grokscope.runs.manifest import Entry, deserialise, parse_manifest
from grokscope.runs.metrics import last_by_step, write_table
from grokscope.runs.opening import adopt, locked
from grokscope.runs.record import ENDED, Record, State, read_record, read_status, write_status
from grokscope.runs.seals import LOGS, Seals, SealWriter, parse_seals, read_seals
from grokscope.runs.state import SavedState, saved_states, write_states
from grokscope.runs.verify import verify_run
from grokscope.tasks import run_task


@dataclass(frozen=True)
class Repair:
    """What was done about one file."""

    file: str
    """Path relative to the run directory."""
    done: str
    """In a sentence: what was wrong, what was done, and what is lost."""


def repair_run(path: str | os.PathLike[str]) -> list[Repair]:
    """Make a damaged run one that can be read, and trained on where it had not ended.

    A config that was changed is put back from the seals. A damaged checkpoint leaves the manifest; a manifest that is
    lost or damaged is made anew of the checkpoints that its lines, or their content by the config, vouch for. A log is
    cut back to the last seal that it agrees with. A damaged resume state gives way to the one before it, and, where
    that is damaged too, to none: training then begins anew, and what it gives is compared with the checkpoints that are
    left. Seals that are damaged or lost begin anew with the files as they are then.

    Returns what was done, in order; nothing for a run that is as it was written. Raises `RunError` for a run that
    another process holds, and where the config, or the file of its task, cannot be had any more.
    """
    run = layout.check_path(path)
    if not run.is_dir() or not any((run / file).exists() for file in (layout.CONFIG, layout.SEALS)):
        raise RunError(f"{run} is not a run: it has neither {layout.CONFIG} nor {layout.SEALS}")
    with suppress(RunError):
        if not any(finding.is_bad for finding in verify_run(run)):
            return []
    repairs = _Repairs(run)
    with run_errors(f"repair {run}"):
        repairs.make_lockable()
    lock = locked(run)
    try:
        with run_errors(f"repair {run}"):
            return repairs.made()
    finally:
        lock.release()


class _Repairs:
    """The repairs of one run, in an order in which each finds in order what it relies on."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.done: list[Repair] = []
        self.lost = ""
        """What is lost that training gives back; empty: nothing."""
        self.latest = inf
        """The last step of which nothing is lost: a resume must not begin later."""

    def made(self) -> list[Repair]:
        self._out_of_the_way()
        seals = self._seals()
        record = read_record(self.run, seals)
        self._content = CheckpointContent.of(record.config.model, run_task(record.config), may_diverge=True)
        entries = self._manifest(seals)
        self._logs(seals)
        writer = SealWriter(self.run)
        try:
            writer.add("reopened", None)
            logs = [FileRecord.of(file, (self.run / file).read_bytes()) for file in LOGS if (self.run / file).exists()]
            writer.add("resumed", None, start=logs)
            self._state(seals, record, writer)
        finally:
            writer.close()
        state = self._status(seals, record, max(entries, default=None))
        write_table(self.run)
        seal_closed(self.run, record.config, state, max(entries, default=None))
        return self.done

    def make_lockable(self) -> None:
        """Set aside a folder that stands where the lock is to be: no process can hold it."""
        if (self.run / layout.LOCK).is_dir():
            self._make_quarantine()
            self._set_aside(layout.LOCK, "is a folder where a file is expected")

    def _make_quarantine(self) -> None:
        """Make the folder for what is set aside; what stands there, or leads out of the run, goes into it."""
        folder = self.run / layout.QUARANTINE
        if not os.path.lexists(folder) or (folder.is_dir() and leading_out(self.run, layout.QUARANTINE) is None):
            return
        number = 0
        while os.path.lexists(place := self.run / f"{layout.QUARANTINE}.{number}"):
            number += 1
        os.replace(folder, place)
        folder.mkdir()
        os.replace(place, folder / layout.QUARANTINE)
        self._say(layout.QUARANTINE, f"is no folder of the run: it is set aside in {layout.QUARANTINE}")

    def _out_of_the_way(self) -> None:
        """Set aside what leads out of the run, folders where files belong, and what is no folder where one belongs."""
        self._make_quarantine()
        for file in (layout.CHECKPOINTS, *_names(self.run)):
            if leading_out(self.run, file) is not None:
                self._set_aside(file, "is a link to outside the run")
        for file, why in layout.out_of_place(self.run).items():
            self._set_aside(file, why.removeprefix(f"{self.run / file} "))
        (self.run / layout.CHECKPOINTS).mkdir(exist_ok=True)

    def _seals(self) -> Seals:
        """The seals that hold, the config being as they say; made anew where none does."""
        seals, lines, problem = parse_seals(self.run)
        if problem is not None:
            left = 0 if seals is None else len(seals.events)
            self._set_aside(layout.SEALS, problem.removeprefix(f"{self.run / layout.SEALS} "), keep=True)
            write_atomic(self.run / layout.SEALS, json_lines(*lines.rows[:left]))
            self._say(layout.SEALS, f"{left} of its lines hold, and stay")
        if seals is None:
            return self._new_seals()
        sealed = seals.whole[layout.CONFIG]
        if sealed.check(self.run) is not None:
            content = json_bytes(seals.created_as)
            if (self.run / layout.CONFIG).exists():
                self._set_aside(layout.CONFIG, "has changed since the run was made")
            if digest(content) != sealed.sha256:
                raise RunError(f"{self.run / layout.SEALS} has no config of the digest that it names: the run is lost")
            write_atomic(self.run / layout.CONFIG, content)
            self._say(layout.CONFIG, "put back as it was when the run was made")
        return seals

    def _new_seals(self) -> Seals:
        """Seals that begin now, with the files as they are."""
        if not (self.run / layout.CONFIG).exists():
            raise RunError(f"{self.run / layout.CONFIG} is missing, and no seal has what it held: the run is lost")
        read_json(self.run / layout.CONFIG, RunError)
        (self.run / layout.SEALS).unlink(missing_ok=True)
        writer = SealWriter(self.run)
        try:
            adopt(self.run, writer)
        finally:
            writer.close()
        self._say(layout.SEALS, "begins anew, with the files as they are: nothing says that training wrote them so")
        seals = read_seals(self.run)
        assert seals is not None, "they have just been written"
        return seals

    def _manifest(self, seals: Seals) -> dict[int, Entry]:
        """The checkpoints that are kept; the manifest is written anew where it is not of them."""
        file = self.run / layout.MANIFEST
        there = file.read_bytes() if file.exists() else None
        listed, lines, problems = parse_manifest(self.run, there or b"")
        if there is None:
            self._say(layout.MANIFEST, "was missing: it is made anew")
        elif problems or self._disagrees(layout.MANIFEST, seals):
            why = problems[0].removeprefix(f"{file} ") if problems else "has changed since it was sealed"
            self._set_aside(layout.MANIFEST, why, keep=True)
        kept: dict[int, Entry] = {}
        for step in layout.checkpoint_steps(self.run) if there is None or problems else sorted(listed):
            entry = self._checkpoint(step, listed.get(step))
            if entry is not None:
                kept[step] = entry
        content = json_lines(*(entry.row() for entry in kept.values()))
        if content != (there or b"")[: lines.complete_bytes] or there is None:
            write_atomic(file, content)
        if listed and max(listed) not in kept:
            self._loses(f"the checkpoint of step {max(listed)}", max(listed) - 1)
        return kept

    def _checkpoint(self, step: int, listed: Entry | None) -> Entry | None:
        """The entry of a checkpoint that is kept; None for one that is set aside or missing."""
        name = layout.checkpoint_file(step)
        if listed is not None and (wrong := listed.check(self.run)) is not None:
            if wrong[0] == "missing":
                self._say(name, "is missing: it leaves the manifest")
            else:
                self._set_aside(name, wrong[1].removeprefix(f"{self.run / name} "))
            return None
        data = (self.run / name).read_bytes()
        try:
            self._content.check(self.run / name, deserialise(data, self.run / name))
        except ValueError as error:
            self._set_aside(name, str(error).removeprefix(f"{self.run / name} "))
            return None
        if listed is None:
            self._say(name, "taken as it is: it is a network of the config, and nothing says that training wrote it so")
        return listed or Entry(name, len(data), digest(data), step)

    def _logs(self, seals: Seals) -> None:
        for name in (layout.METRICS, layout.PROBES):
            file = self.run / name
            if not (file.exists() or name == layout.METRICS or name in seals.starts):
                continue
            data = file.read_bytes() if file.exists() else b""
            good = _whole_lines(file, data) if not self._disagrees(name, seals) else self._agreeing(name, data, seals)
            if name == layout.METRICS and len(good) < len(data) and (again := self._from_table(seals)) is not None:
                good = again
            if good == data and file.exists():
                continue
            if file.exists():
                self._set_aside(name, "is not as it was sealed, or has lines that are none", keep=True)
            write_atomic(file, good)
            rows = parse_lines(good).rows
            last = f"up to step {rows[-1].get('step')}" if rows else "of no step"
            self._say(name, f"holds {len(rows)} lines now, {last}")
            if name in seals.starts and len(good) < seals.starts[name].bytes:
                self._loses(f"a part of {name}", rows[-1]["step"] if rows else -1)

    def _loses(self, what: str, latest: float) -> None:
        self.lost, self.latest = self.lost or what, min(self.latest, latest)

    def _disagrees(self, file: str, seals: Seals) -> bool:
        """Whether a log does not hold what was sealed of it."""
        sealed = seals.starts.get(file)
        return sealed is not None and sealed.check(self.run, start=seals.closing is None) is not None

    def _agreeing(self, file: str, data: bytes, seals: Seals) -> bytes:
        """The longest beginning of a log that some seal is of; where there is none, nothing."""
        pairs = [event["start"][file] for event in seals.events if file in event["start"]]
        for size, sha256 in sorted(pairs, reverse=True):
            if size <= len(data) and digest(data[:size]) == sha256:
                return data[:size]
        return b""

    def _from_table(self, seals: Seals) -> bytes | None:
        """The lines of the metrics as their table has them, if that is as it was sealed."""
        if layout.METRICS_TABLE not in seals.whole:
            return None
        with suppress(RunError):
            from pyarrow import parquet  # late: a fifth of a second

            table = parquet.read_table(io.BytesIO(seals.whole[layout.METRICS_TABLE].read(self.run)))
            rows = [{name: value for name, value in row.items() if value is not None} for row in table.to_pylist()]
            self._say(layout.METRICS, f"put back from {layout.METRICS_TABLE}")
            return json_lines(*rows)
        return None

    def _state(self, seals: Seals, record: Record, writer: SealWriter) -> None:
        """Keep the newest resume state that verifies; set the others aside."""
        file = self.run / layout.STATE
        if not file.exists():
            return
        states: list[SavedState] = []
        wrong = "has changed since it was sealed"
        if digest(file.read_bytes()) in seals.states:
            try:
                states = saved_states(self.run)
            except RunError as error:
                wrong = str(error).removeprefix(f"{file} ")
        good = [state for state in states if self._is_whole(state)]
        left = [state for state in good if state.info.get("step", inf) <= self.latest]
        if left[:1] == states[:1] and states:
            return
        if states and good[:1] != states[:1]:
            wrong = f"names {states[0].record.file}, which is damaged or missing"
        elif good:
            wrong = f"is of step {good[0].info.get('step')}, and {self.lost} is lost"
        self._set_aside(layout.STATE, wrong)
        for name in _names(self.run):
            if name.startswith("state.") and name not in [state.record.file for state in left[:1]]:
                self._set_aside(name, "belongs to no state that can be gone on from")
        if left:
            write_states(self.run, left[:1], lambda sealed: writer.add("state", None, whole=[sealed]))
            self._say(layout.STATE, f"falls back on the state before, of step {left[0].info.get('step')}")
        elif record.parent is None and record.imported is None:
            self._say(layout.STATE, "there is none left: a resume begins at step 0, and compares the checkpoints")
        else:
            self._say(layout.STATE, "there is none left: branch off the parent once more to train on")

    def _is_whole(self, state: SavedState) -> bool:
        try:
            state.load(self.run)
        except ValueError:
            return False
        return True

    def _status(self, seals: Seals, record: Record, step: int | None) -> State:
        """Write a status that is true of what is left, and return it."""
        known: State | None = None
        reason = None
        if layout.STATUS not in seals.whole or seals.whole[layout.STATUS].check(self.run) is None:
            with suppress(RunError):
                status = read_status(self.run)
                known, reason = status.state, status.reason
        if known is None and isinstance(listing := (seals.closing or {}).get("listing"), dict):
            known = listing.get("status")
            self._say(layout.STATUS, f"put back: {known}")
        if record.imported is not None:
            known = "finished"  # there is nothing to resume
        elif known not in ENDED or self.lost:
            if known in ENDED:
                self._say(layout.STATUS, f"interrupted, for {self.lost} is lost: a resume gives it back")
            known, reason = (
                "interrupted",
                f"repaired{': ' if self.lost else ''}{self.lost}{' is lost' * bool(self.lost)}",
            )
        write_status(self.run, known, step, reason)
        return known

    def _say(self, file: str, done: str) -> None:
        self.done.append(Repair(file, done))

    def _set_aside(self, file: str, why: str, *, keep: bool = False) -> None:
        """Move a file into quarantine; with `keep`, a copy of it."""
        # What stood in the place of the folder of checkpoints must not stand in the way of checkpoints set aside later.
        number = 1 if file == layout.CHECKPOINTS else 0
        while os.path.lexists(place := self.run / layout.QUARANTINE / (f"{file}.{number}" if number else file)):
            number += 1
        place.parent.mkdir(parents=True, exist_ok=True)
        if keep:
            shutil.copy2(self.run / file, place)
        else:
            os.replace(self.run / file, place)
        self._say(file, f"{why}: {'a copy is' if keep else 'it is'} set aside in {layout.QUARANTINE}")


def _names(run: Path) -> list[str]:
    """The files of a run, those of analyses and what was set aside left out."""
    names = [entry.name for entry in os.scandir(run) if not entry.is_dir(follow_symlinks=False)]
    folder = run / layout.CHECKPOINTS
    inside = os.listdir(folder) if folder.is_dir() and not folder.is_symlink() else []
    return [*sorted(names), *(f"{layout.CHECKPOINTS}/{name}" for name in sorted(inside))]


def _whole_lines(file: Path, data: bytes) -> bytes:
    """A log as far as its lines are JSON objects with a step."""
    good = 0
    for line in data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]:
        rows: Iterable[dict[str, Any]] = parse_lines(line + b"\n").rows
        try:
            last_by_step(file, list(rows))
        except RunError:
            break
        if line.strip() and not rows:
            break
        good += len(line) + 1
    return data[:good]
