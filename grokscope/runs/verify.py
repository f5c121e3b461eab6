"""Is every file of a run as it was written?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grokscope.disk.files import read_lines
from grokscope.runs import layout
from grokscope.runs.errors import RunError, run_errors
from grokscope.runs.manifest import FileRecord, Problem, parse_manifest
from grokscope.runs.record import read_config, read_status
from grokscope.runs.state import state_record
from grokscope.runs.task_file import task_record

Verdict = Problem | Literal["ok", "damaged", "torn", "unlisted"]


@dataclass(frozen=True)
class Finding:
    """What was found of one file."""

    file: str
    """Path relative to the run directory."""
    verdict: Verdict
    """ok. missing, truncated, digest mismatch: not as recorded. damaged: cannot be read. torn (ends within a
    line) and unlisted (a file that the manifest does not know) are what a kill leaves, and harmless."""
    detail: str = ""
    """The finding in a sentence; empty if ok."""

    @property
    def is_bad(self) -> bool:
        """Whether something that the run had is lost or not to be trusted."""
        return self.verdict not in ("ok", "torn", "unlisted")


def verify_run(path: str | os.PathLike[str]) -> list[Finding]:
    """Check every file of a run: checkpoints and the resume state by size and sha256, the rest by reading.

    Raises `RunError` if there is no run, or if its manifest is missing, saying what is unlisted.
    """
    run = layout.check_path(path)
    if not layout.is_run(run):
        raise RunError(f"{run} is not a run: it has no {layout.CONFIG}")
    # Before the manifest: what a training process adds in between is listed by the time that is read.
    folder = run / layout.CHECKPOINTS
    with run_errors(f"read {folder}"):
        present = sorted(os.listdir(folder)) if folder.is_dir() else []
    entries, lines, problems = parse_manifest(run)
    findings = [_readable(run, layout.CONFIG), _readable(run, layout.STATUS), *_task(run)]
    findings += [Finding(layout.MANIFEST, "damaged", problem) for problem in problems]
    if lines.torn:
        findings.append(Finding(layout.MANIFEST, "torn", f"{run / layout.MANIFEST} ends in the middle of a line"))
    elif not problems:
        findings.append(Finding(layout.MANIFEST, "ok"))
    findings.append(_lines(run, layout.METRICS))
    if (run / layout.PROBES).exists():
        findings.append(_lines(run, layout.PROBES))
    findings += [_checked(run, entry) for entry in entries.values()]
    listed = {entry.file for entry in entries.values()}
    for name in present:
        file = f"{layout.CHECKPOINTS}/{name}"
        if file not in listed:
            findings.append(Finding(file, "unlisted", f"{run / file} is not in the manifest"))
    return findings + _state(run)


def _checked(run: Path, record: FileRecord) -> Finding:
    try:
        wrong = record.check(run)
    except RunError as error:
        return Finding(record.file, "damaged", str(error))
    return Finding(record.file, "ok") if wrong is None else Finding(record.file, *wrong)


def _readable(run: Path, file: str) -> Finding:
    if not (run / file).exists():
        return Finding(file, "missing", f"{run / file} is missing")
    try:
        if file == layout.CONFIG:
            read_config(run)
        else:
            read_status(run)
    except RunError as error:
        return Finding(file, "damaged", str(error))
    return Finding(file, "ok")


def _task(run: Path) -> list[Finding]:
    """What was found of the file of a task that is given by its content; nothing for other tasks."""
    try:
        record = task_record(run)
    except RunError:
        return []  # the finding of config.json says so
    return [] if record is None else [_checked(run, record)]


def _lines(run: Path, name: str) -> Finding:
    file = run / name
    if not file.exists():
        return Finding(name, "missing", f"{file} is missing")
    lines = read_lines(file, RunError)
    if lines.damaged:
        return Finding(name, "damaged", f"{file} is damaged: line {lines.damaged[0]} is no JSON object")
    return Finding(name, "torn", f"{file} ends in the middle of a line") if lines.torn else Finding(name, "ok")


def _state(run: Path) -> list[Finding]:
    try:
        record = state_record(run)
        if record is None:
            return []
        finding = _checked(run, record)
        if finding.is_bad and state_record(run) != record:
            return _state(run)  # a training process has replaced it in between
    except RunError as error:
        return [Finding(layout.STATE, "damaged", str(error))]
    return [Finding(layout.STATE, "ok"), finding]
