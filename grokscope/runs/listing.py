"""All runs below a directory, a row each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from grokscope.runs import layout
from grokscope.runs.errors import RunError, run_errors
from grokscope.runs.seals import last_closing
from grokscope.runs.summary import COLUMNS

_READ = (layout.CONFIG, layout.STATUS, layout.MANIFEST, layout.METRICS)
"""The files that a row is made of."""


def list_runs(directory: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """A row per run below `directory`, runs inside of runs among them, sorted by `run`, its path from there.

    Columns: `run`, `path`, `task`, `arm`, `seed`, `steps` (the last checkpoint's), `checkpoints` (how many),
    `status`, `memorisation_step`, `grok_step`, `grok_by` (the grok lies at or before this step, before what is known of
    the run), `problem`. A run that cannot be read has the status `unreadable`, what is wrong with it in `problem`, and
    None elsewhere; the others are as they are.
    Raises `RunError` if there is no such directory.
    """
    top = layout.check_path(directory)
    with run_errors(f"read {top}"):
        if not top.is_dir():
            raise RunError(f"there is no directory {top}")
    rows = []
    for folder, subfolders, files in os.walk(top):
        if layout.CONFIG in files and (layout.MANIFEST in files or layout.CHECKPOINTS in subfolders):
            # Not where only the run's own files are: there may be a hundred thousand.
            subfolders[:] = [
                name for name in subfolders if name not in (layout.CHECKPOINTS, layout.ANALYSIS, layout.QUARANTINE)
            ]
            rows.append(_row(Path(folder), os.path.relpath(folder, top)))
    return sorted(rows, key=lambda row: row["run"])


def _row(path: Path, name: str) -> dict[str, Any]:
    row: dict[str, Any] = {"run": name, "path": str(path)} | dict.fromkeys(COLUMNS)
    try:
        return row | (_as_closed(path) or _as_read(path))
    except Exception as error:  # whatever is wrong with one run, the others are listed
        said = str(error) if isinstance(error, RunError) else f"{path} cannot be read: {type(error).__name__}: {error}"
        return row | {"status": "unreadable", "problem": said}


def _as_closed(path: Path) -> dict[str, Any] | None:
    """The row that was sealed as the run was closed, if the files that it was made of are those of then."""
    closed = last_closing(path)
    if closed is None:
        return None
    records = closed.whole | closed.starts
    listed = closed.events[-1].get("listing")
    if not isinstance(listed, dict) or any(file not in records for file in _READ):
        return None
    return listed if all(records[file].check(path) is None for file in _READ) else None


def _as_read(path: Path) -> dict[str, Any]:
    from grokscope.runs.reader import open_run  # imports torch, which closed runs do not need
    from grokscope.runs.summary import summary

    run = open_run(path)
    return summary(run.config, run.steps, run.status, run.milestones)
