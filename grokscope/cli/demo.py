"""demo: the same network trained with and without the clip, and a report on the two.

The two runs are worker processes of one thread each, which beat one process of two threads. A demo that is
started again goes on where it was.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from grokscope.cli.output import console, say
from grokscope.config import ConfigError, RunConfig, differences, preset


@dataclass(frozen=True)
class Arm:
    """One of the networks of the demo: a preset, and the settings that differ from it."""

    label: str
    preset: str
    settings: Mapping[str, int | float | str] = field(default_factory=dict)

    @property
    def config(self) -> RunConfig:
        return preset(self.preset, **self.settings)


ARMS = (Arm("clipped", "mul-lion-clip", {"steps": 1000}), Arm("unclipped", "mul-adamw", {"steps": 3000, "every": 30}))
"""What `make demo` trains: the published clipped arm and its published baseline, which memorises early and groks
tens of thousands of steps later. Budgets and checkpoints such that all of it takes less than 5 minutes on 2 cores."""

_POLL_SECONDS = 1.0
_LINE_SECONDS = 15.0
"""Between lines of progress, where there is no terminal."""
_STOP_SECONDS = 60.0
"""For a worker to save its state when it is interrupted."""


def demo() -> int:
    """Train a clipped and an unclipped network on x * y mod 97, and write reports/demo/index.html."""
    page, findings = run_demo(ARMS, Path("checkpoints", "demo"), Path("reports", "demo"))
    say()
    say(f"report: {page}")
    for finding in findings:
        say(finding)
    return 0


def run_demo(arms: Sequence[Arm], checkpoints: Path, report: Path) -> tuple[Path, list[str]]:
    """Train what is not yet trained, side by side, and write the report; returns its page and what was found.

    Raises `ConfigError` where a run of other settings is in the way, ChildProcessError where a worker fails.
    """
    jobs = [_job(arm, checkpoints) for arm in arms]
    for job in jobs:
        say(f"{job.arm.label}: {job.plan}")
    waiting = [job for job in jobs if job.words]
    if waiting:
        try:
            with TemporaryDirectory() as logs, _workers(waiting, Path(logs)), _display(waiting) as show:
                _watch(waiting, Path(logs), show)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("start the demo again to continue") from None

    from grokscope.report import build_report, findings
    from grokscope.runs import open_run

    say("writing the report")
    runs = [open_run(job.path) for job in jobs]
    found = findings(runs)
    title = "Multiplication mod 97, clipped and unclipped"
    return build_report("demo", runs, report, title=title, findings=found), found


@dataclass
class _Job:
    arm: Arm
    path: Path
    plan: str
    words: list[str]
    """Arguments of the worker's `grokscope`; none if the run is there already."""
    budget: int
    process: subprocess.Popen[bytes] | None = None
    step: int = 0
    val_accuracy: float | None = None

    def look(self) -> None:
        """Take in how far the run has come."""
        from grokscope.runs import RunError
        from grokscope.runs.metrics import metric_rows

        with suppress(RunError):  # not there yet
            if rows := metric_rows(self.path):
                self.step, self.val_accuracy = rows[-1]["step"], rows[-1]["val_accuracy"]

    @property
    def progress(self) -> str:
        accuracy = "" if self.val_accuracy is None else f", validation accuracy {self.val_accuracy:.3f}"
        return f"{self.arm.label}: step {self.step:,} of {self.budget:,}{accuracy}"


def _job(arm: Arm, checkpoints: Path) -> _Job:
    from grokscope.runs import open_run, run_name

    config = arm.config
    path = checkpoints / run_name(config)
    budget = config.training.steps
    if not path.exists():
        words = ["train", arm.preset, "--out", str(path)]
        words += [word for name, value in arm.settings.items() for word in (f"--{name}", str(value))]
        return _Job(arm, path, f"training {budget:,} steps into {path}", words, budget)
    run = open_run(path)
    if changed := differences(run.config, config):
        was = ", ".join(f"{name} is {there!r}, not {here!r}" for name, (there, here) in changed.items())
        raise ConfigError(f"{path} is a run of other settings ({was}): move it away or delete it, then start again")
    if run.status in ("finished", "diverged"):
        return _Job(arm, path, f"already there: {path}", [], budget)
    return _Job(arm, path, f"continuing from step {run.final_step} in {path}", ["resume", str(path)], budget)


@contextmanager
def _workers(jobs: Sequence[_Job], logs: Path) -> Iterator[None]:
    """Worker processes, which are told to stop, and save their state, where the block ends early."""
    try:
        for number, job in enumerate(jobs):
            with (logs / str(number)).open("wb") as log:
                job.process = subprocess.Popen(
                    [sys.executable, "-m", "grokscope.cli", *job.words],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    env=os.environ | {"OMP_NUM_THREADS": "1"},
                    # Not in the terminal's foreground: Ctrl-C reaches a worker once, from here.
                    process_group=0,
                )
        yield
    finally:
        running = [job.process for job in jobs if job.process is not None and job.process.poll() is None]
        for process in running:
            # Not SIGINT, which a shell's background jobs, and their children, ignore.
            process.terminate()
        for process in running:
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _watch(jobs: Sequence[_Job], logs: Path, show: Callable[[], None]) -> None:
    """Wait for all workers. Raises ChildProcessError, with the worker's last words, where one fails."""
    codes: list[int | None] = [None]
    while None in codes:
        time.sleep(_POLL_SECONDS)
        codes = [job.process.poll() if job.process is not None else 0 for job in jobs]
        for number, (job, code) in enumerate(zip(jobs, codes, strict=True)):
            job.look()
            if code:
                said = (logs / str(number)).read_text(errors="replace").strip().rpartition("\n")[2]
                reason = said.removeprefix("grokscope: error: ") or f"its worker ended with exit code {code}"
                raise ChildProcessError(f"{job.arm.label}: {reason}")
        show()


@contextmanager
def _display(jobs: Sequence[_Job]) -> Iterator[Callable[[], None]]:
    """A function that shows how far the jobs are: bars on a terminal, now and then a line elsewhere."""
    out = console()
    if not out.is_terminal:
        shown = time.monotonic()

        def lines() -> None:
            nonlocal shown
            if time.monotonic() - shown >= _LINE_SECONDS:
                shown = time.monotonic()
                say("; ".join(job.progress for job in jobs))

        yield lines
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out) as progress:
        bars = [progress.add_task(job.progress, total=job.budget) for job in jobs]

        def update() -> None:
            for job, bar in zip(jobs, bars, strict=True):
                progress.update(bar, completed=job.step, description=job.progress)

        yield update
