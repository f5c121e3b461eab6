"""Is every file of a run as it was written?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grokscope.config import UnknownMethod
from grokscope.disk.files import digest, parse_lines
from grokscope.runs import layout
from grokscope.runs.content import CheckpointContent
from grokscope.runs.errors import RunError, run_errors
from grokscope.runs.file_record import FileRecord, Problem
from grokscope.runs.manifest import deserialise, manifest_data, parse_manifest
from grokscope.runs.record import Record, read_record, read_status
from grokscope.runs.seals import parse_seals
from grokscope.runs.state import SavedState, saved_states
from grokscope.runs.task_file import task_record
from grokscope.tasks import run_task

Verdict = Problem | Literal["ok", "damaged", "torn", "unlisted", "unsealed"]

_HARMLESS = ("ok", "torn", "unlisted", "unsealed")
_TRIES = 5


@dataclass(frozen=True)
class Finding:
    """What was found of one file."""

    file: str
    """Path relative to the run directory."""
    verdict: Verdict
    """ok: as it was written. missing, truncated, digest mismatch: not as recorded. link: it leads out of the run.
    damaged: it cannot be read, holds what no training of the config wrote, or is a folder where a file is expected (or
    no folder, where that of the checkpoints is). torn (it ends within a line) and unlisted (the manifest does not know
    it) are what a kill leaves. unsealed: it can be read, and nothing is recorded of it, or of its end: a run that no
    process has left yet, or that is older than seals."""
    detail: str = ""
    """The finding in a sentence; empty for what is ok, unless there is something that it was not compared with."""

    @property
    def is_bad(self) -> bool:
        """Whether something that the run had is lost or not to be trusted."""
        return self.verdict not in _HARMLESS


def verify_run(path: str | os.PathLike[str]) -> list[Finding]:
    """Compare every file of a run with what is recorded of it, and every checkpoint with the config.

    Raises `RunError` if there is no run, or if its manifest is missing, saying what is unlisted.
    """
    run = layout.check_path(path)
    if not layout.is_run(run) and not (run / layout.CONFIG).is_dir():
        raise RunError(f"{run} is not a run: it has no {layout.CONFIG}")
    for _ in range(_TRIES - 1):
        before = _seals_as_they_are(run)
        findings = _Verification(run).findings()
        if not any(finding.is_bad for finding in findings) or _seals_as_they_are(run) == before:
            return findings
        # A process has written to the run in between: once more.
    return _Verification(run).findings()


def _seals_as_they_are(run: Path) -> bytes:
    with run_errors(f"read {run / layout.SEALS}"):
        return (run / layout.SEALS).read_bytes() if (run / layout.SEALS).is_file() else b""


class _Verification:
    """One look at all files of a run."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.seals, self.seal_lines, self.seal_problem = parse_seals(run)
        self.record: Record | None = None

    def findings(self) -> list[Finding]:
        # The folder before the manifest: what a training process adds in between is listed by the time that is read.
        folder = self.run / layout.CHECKPOINTS
        with run_errors(f"read {folder}"):
            present = sorted(os.listdir(folder)) if folder.is_dir() else []
        findings = [*self._of_seals(), self._of_config(), self._of_status(), *self._of_task(), *self._of_table()]
        manifest, entries = self._of_manifest()
        findings += [manifest, self._of_log(layout.METRICS)]
        if (self.run / layout.PROBES).exists() or (self.seals is not None and layout.PROBES in self.seals.starts):
            findings.append(self._of_log(layout.PROBES))
        content = self._content()
        findings += [self._of_file(entry, content) for entry in entries]
        listed = {entry.file for entry in entries}
        for name in present:
            file = f"{layout.CHECKPOINTS}/{name}"
            if file not in listed:
                findings.append(Finding(file, "unlisted", f"{self.run / file} is not in the manifest"))
        return self._with_what_is_out_of_place(findings + self._of_state())

    def _with_what_is_out_of_place(self, findings: list[Finding]) -> list[Finding]:
        """The findings, those of names that something of another kind holds in their places, or at the end."""
        with run_errors(f"read {self.run}"):
            wrong = {file: Finding(file, "damaged", why) for file, why in layout.out_of_place(self.run).items()}
        return [*(wrong.pop(finding.file, finding) for finding in findings), *wrong.values()]

    def _of_seals(self) -> list[Finding]:
        file = self.run / layout.SEALS
        if self.seal_problem is not None:
            return [Finding(layout.SEALS, "damaged", self.seal_problem)]
        if self.seals is None:
            return []  # a run that is older than seals; for one that lost them the finding of its config says so
        if self.seal_lines.torn:
            return [Finding(layout.SEALS, "torn", f"{file} ends in the middle of a line")]
        return [Finding(layout.SEALS, "ok")]

    def _of_config(self) -> Finding:
        try:
            self.record = read_record(self.run, self.seals)
        except RunError as error:
            sealed = self._sealed(layout.CONFIG)
            if sealed.verdict == "ok" and isinstance(error.__cause__, UnknownMethod):
                return Finding(layout.CONFIG, "ok", f"checkpoints were not compared with the config: {error}")
            changed = self.seals is not None and sealed.verdict != "ok"
            readable = changed and "has changed" in str(error)
            return Finding(layout.CONFIG, "digest mismatch" if readable else "damaged", str(error))
        return self._sealed(layout.CONFIG)

    def _of_status(self) -> Finding:
        if not (self.run / layout.STATUS).exists():
            return Finding(layout.STATUS, "missing", f"{self.run / layout.STATUS} is missing")
        try:
            read_status(self.run)
        except RunError as error:
            return Finding(layout.STATUS, "damaged", str(error))
        return self._sealed(layout.STATUS)

    def _of_table(self) -> list[Finding]:
        is_sealed = self.seals is not None and layout.METRICS_TABLE in self.seals.whole
        there = (self.run / layout.METRICS_TABLE).exists()
        return [self._sealed(layout.METRICS_TABLE)] if is_sealed or there else []

    def _sealed(self, file: str) -> Finding:
        """Of a file that is sealed as a whole, if at all."""
        if self.seals is None or file not in self.seals.whole:
            return Finding(file, "unsealed", f"{self.run / file} can be read; nothing is recorded of it")
        wrong = self.seals.whole[file].check(self.run)
        return Finding(file, "ok") if wrong is None else Finding(file, *wrong)

    def _of_task(self) -> list[Finding]:
        """Of the file of a task that is given by its content; nothing for other tasks."""
        try:
            record = task_record(self.run)
        except RunError:
            return []  # the finding of config.json says so
        return [] if record is None else [self._of_file(record)]

    def _of_manifest(self) -> tuple[Finding, list[FileRecord]]:
        """Of the manifest; and the files that it lists."""
        if (self.run / layout.MANIFEST).is_dir():
            return self._of_log(layout.MANIFEST), []
        try:
            data = manifest_data(self.run, self.seals)
        except RunError:
            data = manifest_data(self.run, None)  # raises where it is missing
            finding = self._of_log(layout.MANIFEST)
        else:
            finding = self._of_log(layout.MANIFEST, data)
        entries, _, problems = parse_manifest(self.run, data)
        if problems and not finding.is_bad:
            finding = Finding(layout.MANIFEST, "damaged", problems[0])
        return finding, list(entries.values())

    def _of_log(self, file: str, data: bytes | None = None) -> Finding:
        full = self.run / file
        if full.is_dir():
            return Finding(file, "damaged", layout.folder_words(full))
        sealed = None if self.seals is None else self.seals.starts.get(file)
        if self.seals is not None and sealed is not None and data is None:
            wrong = sealed.check(self.run, start=self.seals.closing is None)
            if wrong is not None:
                return Finding(file, *wrong)
        if not full.exists():
            return Finding(file, "missing", f"{full} is missing")
        with run_errors(f"read {full}"):
            data = full.read_bytes() if data is None else data
        lines = parse_lines(data)
        if lines.damaged:
            return Finding(file, "damaged", f"{full} is damaged: line {lines.damaged[0]} is no JSON object")
        if lines.torn:
            return Finding(file, "torn", f"{full} ends in the middle of a line")
        size = 0 if sealed is None else sealed.bytes
        if size < len(data):
            return Finding(file, "unsealed", f"{full} can be read; of {len(data)} bytes {size} are sealed")
        return Finding(file, "ok")

    def _content(self) -> CheckpointContent | None:
        if self.record is None:
            return None
        diverged = False
        try:
            diverged = read_status(self.run).state == "diverged"
            return CheckpointContent.of(self.record.config.model, run_task(self.record.config), may_diverge=diverged)
        except RunError:
            return CheckpointContent.of(self.record.config.model, run_task(self.record.config), may_diverge=True)

    def _of_file(self, record: FileRecord, content: CheckpointContent | None = None) -> Finding:
        """Of a file that is recorded as a whole; with `content`, of a checkpoint."""
        try:
            wrong = record.check(self.run)
            if wrong is None and content is not None:
                file = self.run / record.file
                content.check(file, deserialise(record.read(self.run), file))
        except RunError as error:
            return Finding(record.file, "damaged", str(error))
        return Finding(record.file, "ok") if wrong is None else Finding(record.file, *wrong)

    def _of_state(self) -> list[Finding]:
        file = self.run / layout.STATE
        if not file.exists():
            closed = self.seals is not None and layout.STATE in self.seals.whole
            return [Finding(layout.STATE, "missing", f"{file} is missing")] if closed else []
        try:
            last, *before = saved_states(self.run)
        except RunError as error:
            return [Finding(layout.STATE, "damaged", str(error))]
        with run_errors(f"read {file}"):
            is_sealed = self.seals is not None and digest(file.read_bytes()) in self.seals.states
        if self.seals is None:
            finding = Finding(layout.STATE, "unsealed", f"{file} can be read; nothing is recorded of it")
        elif not is_sealed:
            finding = Finding(layout.STATE, "digest mismatch", f"{file} is no state that was sealed")
        else:
            finding = Finding(layout.STATE, "ok")
        return [finding, self._of_file(last.record), *(self._of_state_before(one) for one in before)]

    def _of_state_before(self, state: SavedState) -> Finding:
        """Of the state before the last, which is only there for `grokscope repair`."""
        finding = self._of_file(state.record)
        if not finding.is_bad:
            return finding
        return Finding(finding.file, "unlisted", f"{self.run / finding.file} is not the state before the last any more")
