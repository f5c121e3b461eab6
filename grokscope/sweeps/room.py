"""Whether this machine has the memory and the disk for the runs of a sweep, before the first is started."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import nlargest
from pathlib import Path

from grokscope.capacity import check_disk, check_memory
from grokscope.sweeps.board import Place
from grokscope.sweeps.job import Job
from grokscope.training.estimate import PROCESS, disk, held, memory


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
    """Raise `CapacityError` where the runs that are not over need more disk than is free below their directory."""
    needed = [max(0, disk(job.config) - held(path)) for job, path in _left(places)]
    if needed:
        less = "fewer checkpoints need less ([disk] dense_seeds)"
        check_disk(sum(needed), folder, f"training {len(needed)} run{'s' * (len(needed) > 1)}", less)


def _left(places: Iterable[Place]) -> Iterator[tuple[Job, Path]]:
    """The runs that are not over, with their directories."""
    return ((place.job, place.path) for place in places if not place.over and isinstance(place.job, Job))
