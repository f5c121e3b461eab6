"""What a sweep will take: time from a few real steps of each kind of run, disk from what `training.estimate` counts.

Upper bounds: every run is taken to use its whole budget, and a dense schedule to stay dense.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from grokscope.capacity import check_memory
from grokscope.config import SECTIONS, RunConfig
from grokscope.config.checks import integer
from grokscope.config.methods import OpenSection
from grokscope.runs import create_run
from grokscope.sweeps.job import Job
from grokscope.sweeps.process import environment
from grokscope.tasks import run_task
from grokscope.training import Diverged, MarginRecorder, Recorder, Trainer
from grokscope.training.estimate import counts, disk, memory
from grokscope.training.loop import threads

MOST_KINDS = 50
"""Kinds of run that are measured: each takes a few seconds. The time of a sweep that has more is not estimated."""

_SECONDS = 0.5
"""How long steps are measured for."""
_IMPORTS = "import grokscope.sweeps.worker, pandas, pyarrow.parquet"
_UNMEASURED = ("arm", "seed", "norms", "checkpoints", "probes")
_LENGTHS = ("steps", "eval_every", "stop_evaluations")


@dataclass(frozen=True)
class Cost:
    """What one run costs."""

    seconds: float | None
    """None: not measured."""
    bytes: int


@dataclass(frozen=True)
class Calibration:
    """The seconds that the parts of a run take: its start, a step, and what is done at some."""

    start: float
    step: float
    evaluation: float
    record: float
    margins: float
    checkpoint: float

    def seconds(self, config: RunConfig) -> float:
        """Of a whole run of this kind."""
        number = counts(config)
        return (
            self.start
            + number.steps * self.step
            + number.evaluations * self.evaluation
            + number.records * self.record
            + number.margins * self.margins
            + number.checkpoints * self.checkpoint
        )


@dataclass(frozen=True)
class Estimate:
    """What each of some runs costs, by name."""

    runs: dict[str, Cost]
    kinds: int
    """How many kinds of run there are."""

    def seconds(self, workers: int) -> float | None:
        """With so many workers at a time, each as fast as one alone; None where it was not measured.

        Raises `ConfigError` for less than one worker.
        """
        integer("workers", workers, 1)
        all_of_them = [cost.seconds for cost in self.runs.values() if cost.seconds is not None]
        if len(all_of_them) < len(self.runs):
            return None
        return max(sum(all_of_them) / workers, max(all_of_them, default=0.0))

    @property
    def bytes(self) -> int:
        """On disk, in all."""
        return sum(cost.bytes for cost in self.runs.values())


def estimate(jobs: Sequence[Job], most_kinds: int = MOST_KINDS) -> Estimate:
    """Measure each kind of run among the jobs once, in a temporary directory. Raises what training would.

    Arguments:
        most_kinds: where there are more, none is measured.
    """
    kind_of = {job.name: kind(job.config) for job in jobs}
    kinds = dict(zip(kind_of.values(), (job.config for job in jobs), strict=True))
    measured: dict[Hashable, Calibration] = {}
    if 0 < len(kinds) <= most_kinds:
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-P", "-c", _IMPORTS], check=True, env=environment(1))
        imports = time.perf_counter() - begin
        measured = {each: calibrate(config, imports) for each, config in kinds.items()}
    runs = {}
    for job in jobs:
        of_kind = measured.get(kind_of[job.name])
        runs[job.name] = Cost(None if of_kind is None else of_kind.seconds(job.config), disk(job.config))
    return Estimate(runs, len(kinds))


def kind(config: RunConfig) -> Hashable:
    """What runs of the same cost per step share: task, model, optimizer, batch, and all else but rates and bounds."""
    names = [one.name for one in fields(config) if one.name not in _UNMEASURED]
    # Recording signal, memory and noise can cost more than a step: it is measured where it is asked for.
    return *(_shape(name, getattr(config, name)) for name in names), config.probes.margins_every is not None


@lru_cache(maxsize=1024)  # most runs of a sweep share most of their sections
def _shape(name: str, section: Any) -> Hashable:
    """What of a section makes another kind."""
    if name == "task" or name not in SECTIONS:
        return section
    values = section.settings() if isinstance(section, OpenSection) else vars(section)
    return tuple((k, v) for k, v in values.items() if not isinstance(v, float) and k not in _LENGTHS)


def calibrate(config: RunConfig, start_seconds: float) -> Calibration:
    """The seconds of one kind of run, whose process takes `start_seconds` to start, measured by training it a little.

    Raises `CapacityError` as `grokscope.training.train` does.
    """
    with TemporaryDirectory() as folder, threads(config.training.threads), _stopwatch() as building:
        check_memory(memory(config), "a run that is measured")
        trainer = Trainer(config, run_task(config))
        recorder, margin_recorder = Recorder(trainer), MarginRecorder(trainer)
        with create_run(Path(folder, "run"), config) as writer:
            built = building()
            number = count()  # not the trainer's step, which stands still once a run has diverged

            def update() -> None:
                with suppress(Diverged):
                    trainer.update()

            def evaluate() -> None:
                writer.log({"step": next(number), **trainer.evaluate(), "seconds": 0.0})
                writer.flush()

            def record() -> None:
                with suppress(Diverged):
                    rows = recorder.rows(trainer.recorded_update())
                    writer.log_probes(next(number), rows)
                writer.flush()

            def record_margins() -> None:
                with suppress(Diverged):
                    rows = margin_recorder.rows(trainer.recorded_update())
                    writer.log_probes(next(number), [], rows)
                writer.flush()

            def checkpoint() -> None:
                writer.checkpoint(trainer.step, trainer.weights)
                writer.flush()

            def save() -> None:
                tensors, info = trainer.state()
                writer.save_state(tensors, info)
                writer.flush()

            # What is first takes longer: each thing once before it is measured, with a step between.
            evaluate()
            record()
            steps, begin = 0, time.perf_counter()
            while steps < 3 or time.perf_counter() - begin < _SECONDS:
                update()
                steps += 1
            step = (time.perf_counter() - begin) / steps
            evaluation, recorded = _seconds(evaluate), _seconds(record)
            margins = _seconds(record_margins) if config.probes.margins_every is not None else 0.0
            saved, kept = _seconds(save), _seconds(checkpoint)
    return Calibration(start_seconds + built + saved, step, evaluation, recorded, margins, kept)


def _seconds(act: Callable[[], None]) -> float:
    """Seconds that something takes."""
    with _stopwatch() as elapsed:
        act()
        return elapsed()


@contextmanager
def _stopwatch() -> Iterator[Callable[[], float]]:
    """Seconds since the block was entered."""
    begin = time.perf_counter()
    yield lambda: time.perf_counter() - begin
