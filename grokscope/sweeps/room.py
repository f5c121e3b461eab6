"""Whether this machine has the memory and the disk for the runs of a sweep, before the first is started."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import nlargest
from pathlib import Path

from grokscope.capacity import check_disk, check_memory, has_plenty
from grokscope.sweeps.board import Place
from grokscope.sweeps.job import Job
from grokscope.training.estimate import PROCESS, disk, disk_left, memory


def check_workers(places: Iterable[Place], workers: int) -> None:
    """Raise `CapacityError` where so many worker processes need more memory than is free, with the largest of the runs.

    Runs that are over need none.
    """
    largest = nlargest(workers, (memory(job.config) for job, _ in _left(places)))
    if largest:
        count = len(largest)
        work = f"training {count} runs at a time" if count > 1 else "training a run"
        check_memory(sum(largest) + count * PROCESS, work, "fewer workers need less" if count > 1 else None)


def check_files(places: Iterable[Place], folder: Path) -> None:
    """Raise `CapacityError` where the runs that are not over need more disk than is free below their directory.

    What they need where they end early counts: more is warned of.
    """
    left = list(_left(places))
    if has_plenty(sum(disk(job.config) for job, _ in left), folder):
        return  # without a look at each of their files
    most, least = map(sum, zip(*(disk_left(job.config, path) for job, path in left), strict=True))
    less = "fewer checkpoints need less ([disk] dense_seeds)"
    check_disk(most, folder, f"training {len(left)} run{'s' * (len(left) > 1)}", less, least=least)


def _left(places: Iterable[Place]) -> Iterator[tuple[Job, Path]]:
    """The runs that are not over, with their directories."""
    return ((place.job, place.path) for place in places if not place.over and isinstance(place.job, Job))
