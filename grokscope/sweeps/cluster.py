"""Work on many runs on a Ray cluster: the same list of runs, a task per run.

Each task has its worker process, as on one machine. A task whose node is lost is started again by Ray on another. A
run in training then goes on from its last saved state: on the path that all nodes share, or, where there is none, from
the files that were sent to the sweep whenever a state was saved.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from grokscope.config import ConfigError, load_again, loaded_plugins
from grokscope.config.checks import positive
from grokscope.stopping import Signals
from grokscope.sweeps.board import Board, Failure, Outcome, Place, Watcher
from grokscope.sweeps.directory import check_logs, look, places
from grokscope.sweeps.fetching import FileHub, train_and_fetch
from grokscope.sweeps.hub import Hub, answer, standing
from grokscope.sweeps.job import Resources, Sweep, Work
from grokscope.sweeps.local import HANG_SECONDS, LOGS, work_through
from grokscope.sweeps.room import check_files

NODE_LOSSES = 5
"""How many times a run is moved to another node."""

_CONNECT_SECONDS = 20.0
_TICK = 0.5
_GRACE = 40.0
"""Seconds that tasks have to end after a first interrupt."""


def run_on_ray(
    sweep: Sweep,
    address: str,
    out: str | os.PathLike[str] | None = None,
    *,
    fetch: bool = False,
    hang_seconds: float = HANG_SECONDS,
    watch: Watcher | None = None,
) -> list[Outcome]:
    """Train every run of a sweep that is not done, as tasks of a Ray cluster; see `run_sweep`.

    Arguments:
        sweep: from `load_sweep`; its `resources` are reserved for each run.
        address: of the cluster: `auto` (the one that this machine belongs to), or host:port of its head.
        out: where the run directories are; on a path that all nodes share, unless `fetch`.
        fetch: train in a temporary directory of each node, and send the files here, to `out`.
        hang_seconds, watch: see `run_sweep`.

    Raises what `run_sweep` raises, and `ConfigError` if Ray is not installed or the cluster cannot be reached.
    """
    positive("hang_seconds", hang_seconds)
    folder = (sweep.out if out is None else Path(out)).absolute()
    jobs_in_place = places(sweep.jobs, folder)
    check_files(jobs_in_place, folder)
    if fetch:
        kind = _Kind(FileHub, (str(folder),), train_and_fetch, lambda place: (place.job, hang_seconds))
    else:
        check_logs(jobs_in_place, folder / LOGS)
        kind = _on_shared_path(str(folder / LOGS), hang_seconds)
    return _on_ray(address, jobs_in_place, sweep.resources, kind, watch)


def work_through_on_ray(
    jobs_in_place: list[Place],
    address: str,
    *,
    hang_seconds: float = HANG_SECONDS,
    watch: Watcher | None = None,
) -> list[Outcome]:
    """Do the work on every run that is not over, as tasks of a Ray cluster.

    Arguments:
        jobs_in_place: the runs, on a path that all nodes share, and what is done with each.
        address, hang_seconds, watch: see `run_on_ray`, as what is raised.
    """
    positive("hang_seconds", hang_seconds)
    return _on_ray(address, jobs_in_place, Resources(), _on_shared_path(None, hang_seconds), watch)


@dataclass(frozen=True)
class _Kind:
    """How a run is worked on by a task."""

    hub: type[Hub]
    of_hub: tuple[str, ...]
    """Arguments of the hub."""
    task: Callable[..., Outcome]
    """Called with the hub, and with `arguments`."""
    arguments: Callable[[Place], tuple[Any, ...]]


def _on_shared_path(logs: str | None, hang_seconds: float) -> _Kind:
    return _Kind(Hub, (), _work_here, lambda place: (place.job, str(place.path), logs, hang_seconds))


def _on_ray(
    address: str,
    jobs_in_place: list[Place],
    resources: Resources,
    kind: _Kind,
    watch: Watcher | None,
) -> list[Outcome]:
    """Connect, and see the tasks of all runs to their end."""
    ray = _ray()
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, address)
    try:
        return _Tasks(ray, jobs_in_place, resources, kind).run(watch)
    finally:
        if ours:
            ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ConfigError("work on a cluster needs Ray: pip install 'grokscope[ray]'") from None
    return ray


def _connect(ray: Any, address: str) -> None:
    if address.startswith("ray://"):
        raise ConfigError(
            f"ray address = {address!r} is not accepted: start on a node of the cluster, with auto or host:port"
        )
    host, colon, port = address.rpartition(":")
    try:
        if colon and port.isdecimal():
            # Ray itself would try for minutes, and then abort the process.
            socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except (OSError, ValueError, RuntimeError, OverflowError) as error:
        raise ConfigError(f"ray address = {address!r} cannot be reached: {error}") from None


class _Tasks:
    """The tasks on a cluster, seen from the process that started them."""

    def __init__(self, ray: Any, jobs_in_place: list[Place], resources: Resources, kind: _Kind) -> None:
        self._ray = ray
        self._places = {place.job.name: place for place in jobs_in_place}
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        hub = ray.remote(kind.hub).options(num_cpus=0, scheduling_strategy=here)
        self._hub = hub.remote(*kind.of_hub)
        self._pending: dict[Any, Place] = {}
        task, plugins = ray.remote(_with_plugins), loaded_plugins()
        for place in jobs_in_place:
            if place.over:
                continue
            cpus = place.job.cores if resources.num_cpus is None else resources.num_cpus
            options = {"num_cpus": cpus, "num_gpus": resources.num_gpus, "max_retries": NODE_LOSSES}
            self._pending[task.options(**options).remote(plugins, kind.task, self._hub, *kind.arguments(place))] = place

    def run(self, watch: Watcher | None) -> list[Outcome]:
        """Wait for all of them."""
        board = Board(list(self._places.values()), 1)
        kill_at = float("inf")
        with Signals() as signals:
            while self._pending:
                if signals.count and not board.stopping:
                    board.stopping, kill_at = True, time.monotonic() + _GRACE
                    self._cancel(force=False)
                if signals.count > 1 or time.monotonic() > kill_at:
                    self._cancel(force=True)
                    break
                ended, _ = self._ray.wait(list(self._pending), timeout=_TICK)
                self._hear()
                for task in ended:
                    self._take(task, self._pending.pop(task), board.stopping)
                board.workers = max(1, board.count("running"))
                if watch is not None:
                    watch(board)
            signals.check()
        return [place.outcome() for place in self._places.values()]

    def _hear(self) -> None:
        """Take in what tasks have told of their progress."""
        for name, news in self._ray.get(self._hub.news.remote()).items():
            place = self._places[name]
            if not place.over:
                place.standing, place.step, place.accuracy, place.rate = news

    def _take(self, task: Any, place: Place, stopping: bool) -> None:
        """Take in how a task ended."""
        place.rate = None
        try:
            ended: Outcome = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            if stopping:
                place.standing = "waiting"
                return
            cause = getattr(error, "cause", None) or error
            place.failures.append(Failure(f"{type(cause).__name__}: {str(cause).splitlines()[0]}", ()))
            place.standing, place.reason = "failed", place.failures[-1].reason
            return
        look(place)
        place.standing, place.reason, place.before = ended.standing, ended.reason, ended.before
        place.failures, place.attempts, place.result = list(ended.failures), ended.attempts, ended.result

    def _cancel(self, force: bool) -> None:
        for task in self._pending:
            # What a task has asked of the hub is not cancelled with it: its answer would be an error, which ends the
            # work at once, without its state saved.
            self._ray.cancel(task, force=force, recursive=False)


def _with_plugins(plugins: dict[str, tuple[str, ...]], task: Callable[..., Outcome], *arguments: Any) -> Outcome:
    """A task, once the plugins of the parent are imported on its node: for the processes that it starts."""
    load_again(plugins)
    return task(*arguments)


def _work_here(hub: Any, job: Work, path: str, logs: str | None, hang_seconds: float) -> Outcome:
    """The task of a run on a path that this node shares with the parent."""
    place = Place(job, Path(path))

    def watch(board: Board) -> None:
        answer(hub.tell.remote(job.name, *standing(place)))

    with TemporaryDirectory(prefix="grokscope-") if logs is None else nullcontext(logs) as folder:
        return work_through([place], 1, Path(folder), hang_seconds=hang_seconds, watch=watch)[0]
