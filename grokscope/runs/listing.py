"""All runs below a directory, a row each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from grokscope.runs import layout
from grokscope.runs.errors import RunError, run_errors
from grokscope.runs.reader import open_run


def list_runs(directory: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """A row per run below `directory`, sorted by `run`, its path from there.

    Columns: `run`, `path`, `task`, `arm`, `seed`, `steps` (the last checkpoint's), `checkpoints` (how many),
    `status`, `memorisation_step`, `grok_step`, `grok_by` (the grok lies at or before this step, before what is known of
    the run), `problem`. A run that cannot be read has the status
    `unreadable`, what is wrong with it in `problem`, and None elsewhere.
    Raises `RunError` if there is no such directory.
    """
    top = layout.check_path(directory)
    with run_errors(f"read {top}"):
        if not top.is_dir():
            raise RunError(f"there is no directory {top}")
    rows = []
    for folder, subfolders, files in os.walk(top):
        if layout.CONFIG in files and (layout.MANIFEST in files or layout.CHECKPOINTS in subfolders):
            subfolders.clear()  # runs do not nest
            rows.append(_row(Path(folder), os.path.relpath(folder, top)))
    return sorted(rows, key=lambda row: row["run"])


def _row(path: Path, name: str) -> dict[str, Any]:
    row: dict[str, Any] = {"run": name, "path": str(path)} | dict.fromkeys(_COLUMNS)
    try:
        run = open_run(path)
        return row | {
            "task": layout.task_label(run.config.task),
            "arm": run.config.arm,
            "seed": run.config.seed,
            "steps": run.final_step,
            "checkpoints": len(run.steps),
            "status": run.status,
            "memorisation_step": run.memorisation_step,
            "grok_step": run.grok_step,
            "grok_by": run.milestones.grok_by,
        }
    except RunError as error:
        return row | {"status": "unreadable", "problem": str(error)}


_COLUMNS = (
    "task",
    "arm",
    "seed",
    "steps",
    "checkpoints",
    "status",
    "memorisation_step",
    "grok_step",
    "grok_by",
    "problem",
)
