"""Work on many runs on this machine: so many worker processes, each with one run at a time."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from grokscope.capacity import usable_cores
from grokscope.config.checks import integer, positive
from grokscope.runs import RunError
from grokscope.stopping import Signals
from grokscope.sweeps.board import Board, Outcome, Place, Watcher
from grokscope.sweeps.directory import check_logs, log_file, look, places
from grokscope.sweeps.job import Sweep, Work
from grokscope.sweeps.process import WorkerProcess
from grokscope.sweeps.room import check_files, check_workers

HANG_SECONDS = 300.0
"""A worker that has said nothing for so long is taken for hung."""

LOGS = "logs"
"""Where the output of workers goes, beside the runs."""

_TICK = 0.2
_LOOK_AGAIN = 2.0
"""Seconds until a run that is worked on elsewhere is looked at once more."""
_GRACE = 30.0
"""Seconds that a worker has to end after it was asked to."""


def run_sweep(
    sweep: Sweep,
    out: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    *,
    hang_seconds: float = HANG_SECONDS,
    watch: Watcher | None = None,
) -> list[Outcome]:
    """Train every run of a sweep that is not done, in worker processes of this machine.

    A run that has ended is left alone, one that was interrupted goes on from its last saved state, and one that
    another process trains is waited for. A worker that crashes, hangs or is killed is replaced once.

    Arguments:
        sweep: from `load_sweep`.
        out: where the run directories are; left out: `checkpoints/` and the name of the sweep.
        workers: how many runs are trained at a time; left out: as many as there are cores for their threads.
        hang_seconds: how long a worker may say nothing.
        watch: called with the board several times a second.

    Returns the outcome of every run, in the order of the sweep. A first signal (Ctrl-C, SIGTERM, SIGHUP) stops the
    workers cleanly, a second one at once; then `Stopped`, a `KeyboardInterrupt`, is raised. Raises `ConfigError` for
    arguments that are not accepted, `RunError` where a directory holds a run of other settings, and `CapacityError`
    where the machine has not the memory or disk that the runs need, before anything is started.
    """
    count = default_workers(sweep.jobs) if workers is None else workers
    folder = sweep.out if out is None else Path(out)
    integer("workers", count, 1)
    jobs_in_place = places(sweep.jobs, folder)
    check_logs(jobs_in_place, folder / LOGS)
    check_workers(jobs_in_place, count)
    check_files(jobs_in_place, folder)
    return work_through(jobs_in_place, count, folder / LOGS, hang_seconds=hang_seconds, watch=watch)


def default_workers(jobs: Sequence[Work]) -> int:
    """As many workers as this process may use cores, divided by the threads of a run."""
    return max(1, usable_cores() // max(job.threads for job in jobs))


def work_through(
    jobs_in_place: list[Place],
    workers: int,
    logs: Path,
    *,
    hang_seconds: float = HANG_SECONDS,
    watch: Watcher | None = None,
) -> list[Outcome]:
    """Do the work on every run that is not over, in worker processes of this machine; see `run_sweep`.

    Arguments:
        jobs_in_place: the runs, and what is done with each.
        logs: a directory for the output of workers, a file for each run that had any.
        workers, hang_seconds, watch: see `run_sweep`.
    """
    integer("workers", workers, 1)
    positive("hang_seconds", hang_seconds)
    board = Board(jobs_in_place, workers)
    with Signals() as signals:
        crew = _Crew(board, logs, hang_seconds)
        try:
            while not board.over and not (board.stopping and not crew.processes):
                crew.stop(signals.count)
                crew.launch()
                crew.wait(_TICK)
                crew.hear()
                if watch is not None:
                    watch(board)
        finally:
            crew.end()
        signals.check()
    return [place.outcome() for place in jobs_in_place]


class _Crew:
    """The worker processes, and what becomes of the places that they work on."""

    def __init__(self, board: Board, logs: Path, hang_seconds: float) -> None:
        self.board, self.logs, self.hang_seconds = board, logs, hang_seconds
        self.processes: list[tuple[WorkerProcess, Place]] = []
        self.idle: list[WorkerProcess] = []
        """Done with a run, and not yet given another."""
        self._kill_at = float("inf")

    def launch(self) -> None:
        """Fill what is free with runs that wait and that nobody else works on."""
        for place in self.board.places:
            if self.board.stopping:
                return
            due = place.standing == "elsewhere" and time.monotonic() >= place.look_again
            free = len(self.processes) < self.board.workers
            if not due and not (place.standing == "waiting" and free):
                continue
            try:
                if look(place):  # somebody else has done it
                    place.before = not place.attempts
                elif place.job.is_held(place.path):
                    _leave(place)
                elif free:
                    self._start(place)
                else:
                    place.standing = "waiting"
            except (RunError, OSError) as error:
                place.fail(str(error), [])

    def _start(self, place: Place) -> None:
        place.attempts += 1
        order = place.job, place.path, log_file(self.logs, place)
        process = self._idle_for(place.job)
        if process is None:
            process = WorkerProcess(*order)
        else:
            process.take(*order)
        self.processes.append((process, place))
        place.standing = "running"

    def _idle_for(self, job: Work) -> WorkerProcess | None:
        """A process that waits for work of this kind and threads, if there is one; others that wait are ended."""
        while self.idle:
            process = self.idle.pop()
            fits = (process.program, process.threads) == (job.program, job.threads)
            if fits and process.exit_code() is None:
                return process
            process.kill()
            process.close()
        return None

    def wait(self, seconds: float) -> None:
        """Until a worker says something, or for so long."""
        talking = [process.channel for process, _ in self.processes if not process.silent]
        ending = len(talking) < len(self.processes)
        select.select(talking, [], [], min(seconds, 0.01) if ending else seconds)

    def hear(self) -> None:
        """Take in what workers say, and what became of those that have ended; end those that hang."""
        for process, place in list(self.processes):
            code = process.exit_code()  # before the messages: none can come after its end
            if (said := process.progress()) is not None:
                place.step, place.accuracy = said["step"], said["accuracy"]
                place.rate = said["rate"] or place.rate
            if process.free:
                process.drop_empty_log()
                self._ended(process, place, 0)
                self.idle.append(process)
            elif code is None and time.monotonic() - process.heard > self.hang_seconds:
                process.kill()
                process.close()
                place.fail(f"no heartbeat for {self.hang_seconds:g} s: killed as hung", process.tail())
            elif code is None:
                continue
            else:
                process.close()
                self._ended(process, place, code)
            self.processes.remove((process, place))

    def _ended(self, process: WorkerProcess, place: Place, code: int) -> None:
        place.rate = None
        if process.result is not None:
            place.standing, place.result = "finished", process.result
            return
        try:
            if look(place):
                if not process.worked:  # it found the run ended by somebody else
                    place.attempts -= 1
                    place.before = not place.attempts
                return
        except RunError as error:
            place.fail(str(error), process.tail())
            return
        if code == 0:
            # It is locked by another process; or it has ended, and one that means to resume it is finding that out.
            place.attempts -= process.locked
            _leave(place)
        elif self.board.stopping:
            place.standing = "waiting"
        else:
            reason = process.error or _words(code)
            # The log of an error that was foreseen says nothing more.
            place.fail(reason, [line for line in process.tail() if line != reason])

    def stop(self, interrupts: int) -> None:
        """Ask all workers to end at a first interrupt; kill them at a second, or when their time is up."""
        if interrupts and not self.board.stopping:
            self.board.stopping = True
            self._kill_at = time.monotonic() + _GRACE
            for process, _ in self.processes:
                process.stop()
        if interrupts > 1 or time.monotonic() > self._kill_at:
            for process, _ in self.processes:
                process.kill()

    def end(self) -> None:
        """Leave no process behind, however the work ends."""
        left = [*self.idle, *(process for process, _ in self.processes)]
        for process in left:
            process.kill()
        for process in left:
            process.close()
        self.processes.clear()
        self.idle.clear()


def _leave(place: Place) -> None:
    place.standing, place.look_again = "elsewhere", time.monotonic() + _LOOK_AGAIN


def _words(code: int) -> str:
    """An exit code as what happened."""
    if code >= 0:
        return f"its process ended with exit code {code}"
    return f"its process was killed by signal {-code} ({signal.Signals(-code).name})"
