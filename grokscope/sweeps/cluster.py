"""A sweep on a Ray cluster: the same list of runs, a task per run.

Each task is a sweep of one run, with its worker process, as on one machine. A task whose node is lost is started again
by Ray on another, and goes on from the last saved state: on the path that all nodes share, or, where there is none,
from the files that were sent to the sweep whenever a state was saved.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from grokscope.config import ConfigError, from_dict, to_dict
from grokscope.config.checks import positive
from grokscope.runs import ENDED, RunLocked, RunWriter, create_run, reopen_run
from grokscope.runs.layout import STATE, is_run
from grokscope.sweeps.board import Board, Failure, Outcome, Place, Watcher
from grokscope.sweeps.directory import look, places
from grokscope.sweeps.job import Job, Sweep
from grokscope.sweeps.local import HANG_SECONDS, LOGS, Interrupts, train_places
from grokscope.sweeps.transfer import Files, read_files, write_files

NODE_LOSSES = 5
"""How many times a run is moved to another node."""

_CONNECT_SECONDS = 20.0
_TICK = 0.5
_LOOK_AGAIN = 2.0
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
    ray = _ray()
    folder = (sweep.out if out is None else Path(out)).absolute()
    jobs_in_place = places(sweep.jobs, folder)
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, address)
    try:
        return _Tasks(ray, sweep, jobs_in_place, folder, fetch, hang_seconds).run(watch)
    finally:
        if ours:
            ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ConfigError("a sweep on a cluster needs Ray: pip install 'grokscope[ray]'") from None
    return ray


def _connect(ray: Any, address: str) -> None:
    if address.startswith("ray://"):
        raise ConfigError(
            f"ray address = {address!r} is not accepted: run the sweep on a node of the cluster, with auto or host:port"
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
    """The tasks of a sweep, seen from the process that started them."""

    def __init__(
        self, ray: Any, sweep: Sweep, jobs_in_place: list[Place], folder: Path, fetch: bool, hang_seconds: float
    ) -> None:
        self._ray = ray
        self._places = {place.job.name: place for place in jobs_in_place}
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        hub = ray.remote(Hub).options(num_cpus=0, scheduling_strategy=here)
        self._hub = hub.remote(str(folder))
        self._pending: dict[Any, Place] = {}
        task = ray.remote(_train_and_fetch if fetch else _train_here)
        for place in jobs_in_place:
            if place.over:
                continue
            wanted = sweep.resources
            cpus = place.job.config.training.threads if wanted.num_cpus is None else wanted.num_cpus
            options = {"num_cpus": cpus, "num_gpus": wanted.num_gpus, "max_retries": NODE_LOSSES}
            config = to_dict(place.job.config)
            self._pending[task.options(**options).remote(self._hub, config, str(place.path), hang_seconds)] = place

    def run(self, watch: Watcher | None) -> list[Outcome]:
        """Wait for all of them."""
        board = Board(list(self._places.values()), 1)
        kill_at = float("inf")
        with Interrupts() as interrupts:
            while self._pending:
                if interrupts.count and not board.stopping:
                    board.stopping, kill_at = True, time.monotonic() + _GRACE
                    self._cancel(force=False)
                if interrupts.count > 1 or time.monotonic() > kill_at:
                    self._cancel(force=True)
                    break
                ended, _ = self._ray.wait(list(self._pending), timeout=_TICK)
                self._hear()
                for task in ended:
                    self._take(task, self._pending.pop(task), board.stopping)
                board.workers = max(1, board.count("running"))
                if watch is not None:
                    watch(board)
            if interrupts.count:
                raise KeyboardInterrupt
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
        place.failures, place.attempts = list(ended.failures), ended.attempts

    def _cancel(self, force: bool) -> None:
        for task in self._pending:
            self._ray.cancel(task, force=force)


class Hub:
    """An actor on the node of the sweep: what tasks tell of their progress, and the files of runs that are sent.

    It holds the locks of the runs whose files are sent to it, and dies with the sweep.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._news: dict[str, tuple[Any, ...]] = {}
        self._writers: dict[str, RunWriter] = {}
        self._turns: dict[str, int] = {}

    def tell(self, name: str, *news: Any) -> None:
        """How a run stands, its step, accuracy, and steps per second."""
        self._news[name] = news

    def news(self) -> dict[str, tuple[Any, ...]]:
        """What has been told since the last call."""
        news, self._news = self._news, {}
        return news

    def begin(self, name: str, config: dict[str, Any]) -> tuple[int, Files] | None:
        """Open a run for a task: its turn, and the files to go on from; None while another process has the run.

        Turn 0: there is nothing left to train. A task that began before, on a node that was lost, has had its turn:
        what it may still send is not taken.
        """
        path = self._folder / name
        if name not in self._writers:
            try:
                wanted = from_dict(config)
                writer = reopen_run(path, wanted) if is_run(path) else create_run(path, wanted)
            except RunLocked:
                return None
            if writer.reopened_at is not None and writer.reopened_at.state in ENDED:  # since the sweep looked
                writer.finish(writer.reopened_at.state, writer.reopened_at.reason, writer.reopened_at.step)
                return 0, read_files(path)
            self._writers[name] = writer
        self._turns[name] = self._turns.get(name, 0) + 1
        return self._turns[name], read_files(path) if (path / STATE).exists() else {}

    def put(self, name: str, turn: int, files: Files) -> None:
        """Write files of a run."""
        if turn == self._turns.get(name):
            write_files(self._folder / name, files)

    def end(self, name: str, turn: int, outcome: Outcome | None, step: int) -> None:
        """Give up a run, as it ended; with None, to be resumed."""
        if turn != self._turns.get(name):
            return
        writer = self._writers.pop(name)
        if outcome is None:
            writer.finish("interrupted", "the sweep was stopped", step)
        elif outcome.standing in ("finished", "diverged", "failed"):
            writer.finish(outcome.standing, outcome.reason, step)


def _train_here(hub: Any, config: dict[str, Any], path: str, hang_seconds: float) -> Outcome:
    """The task of a run on a path that this node shares with the sweep."""
    run = Path(path)
    job = Job(from_dict(config), run.name)
    jobs_in_place = places((job,), run.parent)

    def watch(board: Board) -> None:
        _answer(hub.tell.remote(job.name, *_standing(board.places[0])))

    return train_places(jobs_in_place, 1, run.parent / LOGS, hang_seconds, watch)[0]


def _train_and_fetch(hub: Any, config: dict[str, Any], path: str, hang_seconds: float) -> Outcome:
    """The task of a run that is trained in a temporary directory, its files sent whenever a state was saved."""
    job = Job(from_dict(config), Path(path).name)
    while (begun := _answer(hub.begin.remote(job.name, config))) is None:
        _answer(hub.tell.remote(job.name, "elsewhere", 0, None, None))
        time.sleep(_LOOK_AGAIN)
    turn, files = begun
    with TemporaryDirectory(prefix="grokscope-") as folder:
        run = Path(folder, job.name)
        if files:
            write_files(run, files)
        sent = {name for name in files if name.endswith(".safetensors")}
        last_state = files.get(STATE)
        jobs_in_place = places((job,), Path(folder))

        def send() -> None:
            nonlocal last_state
            fresh = read_files(run, sent)
            _answer(hub.put.remote(job.name, turn, fresh))
            sent.update(name for name in fresh if name.startswith("checkpoints/"))
            last_state = fresh.get(STATE)

        def watch(board: Board) -> None:
            _answer(hub.tell.remote(job.name, *_standing(board.places[0])))
            if (run / STATE).exists() and (run / STATE).read_bytes() != last_state:
                send()

        def end(outcome: Outcome | None) -> None:
            if is_run(run):
                send()
            _answer(hub.end.remote(job.name, turn, outcome, jobs_in_place[0].step))

        try:
            ended = train_places(jobs_in_place, 1, Path(folder, LOGS), hang_seconds, watch)[0]
        except BaseException:
            end(None)
            raise
        end(ended)
        return ended


def _standing(place: Place) -> tuple[Any, ...]:
    return place.standing, place.step, place.accuracy, place.rate


def _answer(sent: Any) -> Any:
    """What an actor's method returns. Not by `ray.get`: a task that waits in it lends its CPU to one more task."""
    return sent.future().result()
