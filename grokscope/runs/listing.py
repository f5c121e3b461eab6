"""All runs below a directory, a row each."""

from __future__ import annotations

import os
from collections.abc import Iterator
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
    Links to directories are followed: a run that is elsewhere is listed under the path of its link. Each directory is
    looked into once, under its own path where that is below `directory`, and else under the first link in order.
    Raises `RunError` if there is no such directory.
    """
    top = layout.check_path(directory)
    with run_errors(f"read {top}"):
        if not top.is_dir():
            raise RunError(f"there is no directory {top}")
    rows = []
    for folder, subfolders, files in _walk(top):
        if layout.CONFIG in files and (layout.MANIFEST in files or layout.CHECKPOINTS in subfolders):
            # Not where only the run's own files are: there may be a hundred thousand.
            subfolders[:] = [
                name for name in subfolders if name not in (layout.CHECKPOINTS, layout.ANALYSIS, layout.QUARANTINE)
            ]
            rows.append(_row(Path(folder), os.path.relpath(folder, top)))
    return sorted(rows, key=lambda row: row["run"])


def _walk(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """As `os.walk` from the top down, links to directories followed, each directory once however many ways lead to it.

    What is no link comes first. Whoever removes names from the second of the three keeps them from being looked into.
    """
    seen: set[tuple[int, int]] = set()
    waiting = [os.fspath(top)]  # the directory itself, and then links
    while waiting:
        start, links = waiting.pop(0), list[str]()
        if not _is_new(start, seen):
            continue
        for folder, subfolders, files in os.walk(start):
            yield folder, subfolders, files
            paths = {name: os.path.join(folder, name) for name in subfolders}
            links += [path for path in paths.values() if os.path.islink(path)]  # which `os.walk` does not follow
            subfolders[:] = [name for name, path in paths.items() if not os.path.islink(path) and _is_new(path, seen)]
        waiting += sorted(links)


def _is_new(folder: str, seen: set[tuple[int, int]]) -> bool:
    """Whether a directory is none of those that were seen, which it is of from now on. One that has gone is not new."""
    try:
        status = os.stat(folder)
    except OSError:
        return False
    identity = status.st_dev, status.st_ino
    new = identity not in seen
    seen.add(identity)
    return new


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
