"""What is in a run directory already: the directory is the state of a sweep."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from grokscope.config import RunConfig, differences_in_words
from grokscope.disk import check_file, check_folder
from grokscope.runs import RunError
from grokscope.runs.layout import check_new_path, is_run
from grokscope.runs.record import read_record
from grokscope.sweeps.board import Place
from grokscope.sweeps.job import Job


def places(jobs: tuple[Job, ...], out: Path) -> list[Place]:
    """A place for every job below `out`, with what has ended before marked so, and what cannot be read as failed.

    Raises `RunError` for a path that is not accepted, where a directory holds a run of other settings, and where there
    is something to train and `out` cannot be written to.
    """
    jobs_in_place = [Place(job, check_new_path(out / job.name)) for job in jobs]
    for job, place in zip(jobs, jobs_in_place, strict=True):
        if not is_run(place.path):
            continue
        try:
            config = read_record(place.path).config
        except RunError as error:
            place.give_up(str(error))
            continue
        check_config(place.path, config, job.config)
        try:
            place.before = look(place)
        except RunError as error:
            place.give_up(str(error))
    if not all(place.over for place in jobs_in_place):
        check_folder(out, RunError)
    return jobs_in_place


def check_logs(jobs_in_place: Sequence[Place], logs: Path) -> None:
    """Raise `RunError` where there is something to train and the output of workers cannot be written to `logs`."""
    left = [place for place in jobs_in_place if not place.over]
    if left:
        check_folder(logs, RunError)
    for place in left:
        check_file(log_file(logs, place), RunError)


def log_file(logs: Path, place: Place) -> Path:
    """Where the output of the worker of a run goes."""
    return logs / f"{place.job.name.replace(os.sep, '-')}.log"


def look(place: Place) -> bool:
    """Take in that the run has ended, if it has, and seal it where a kill left that undone.

    Returns whether it has ended. Raises `RunError` if it cannot be read, or be sealed.
    """
    status = place.job.ended(place.path)
    if status is None:
        return False
    place.job.settle(place.path)
    place.standing = "finished" if status.state == "finished" else "diverged"
    place.step, place.reason = status.step or 0, status.reason
    return True


def check_config(path: Path, held: RunConfig, wanted: RunConfig) -> None:
    """Raise `RunError`, naming the settings, unless the run that is there is the one that is wanted."""
    changed = differences_in_words(held, wanted, here="in the sweep")
    if changed:
        raise RunError(f"{path} holds a run of other settings ({changed}): move it away, or use another directory")
