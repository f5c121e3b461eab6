"""What a sweep will take, in time and on disk, from a few real steps of each kind of run.

Upper bounds: every run is taken to use its whole budget, and a dense schedule to stay dense.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import count
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from grokscope.config import CheckpointConfig, RunConfig, to_dict
from grokscope.runs import create_run
from grokscope.sweeps.job import Job
from grokscope.sweeps.process import environment
from grokscope.tasks import run_task
from grokscope.training import Diverged, MarginRecorder, Recorder, Trainer
from grokscope.training.loop import FULL_BATCH_EVALUATION, threads

_SECONDS = 0.5
"""How long steps are measured for."""
_IMPORTS = "import grokscope.sweeps.worker, pandas, pyarrow.parquet"
_UNMEASURED = ("arm", "seed", "norms", "checkpoints", "probes")
_LENGTHS = ("steps", "eval_every", "stop_evaluations")


@dataclass(frozen=True)
class Cost:
    """What one thing costs."""

    seconds: float
    bytes: int = 0


@dataclass(frozen=True)
class Calibration:
    """What the parts of a run cost: its start (with what it keeps in any case), a step, and what is done at some."""

    start: Cost
    step: Cost
    evaluation: Cost
    record: Cost
    margins: Cost
    checkpoint: Cost
    steps_per_epoch: int

    def run(self, config: RunConfig) -> Cost:
        """A whole run of this kind."""
        steps = config.training.steps
        cadence = config.training.eval_every
        if cadence is None:
            cadence = FULL_BATCH_EVALUATION if config.training.batch_size is None else self.steps_per_epoch
        every = config.probes.record_every
        records = 0 if every is None else 1 + ceil(steps / every)
        every = config.probes.margins_every
        margins = 0 if every is None else ceil(steps / every)
        parts = (
            (1, self.start),
            (steps, self.step),
            (2 + steps // cadence, self.evaluation),
            (records, self.record),
            (margins, self.margins),
            (checkpoints(config.checkpoints, steps), self.checkpoint),
        )
        return Cost(sum(n * one.seconds for n, one in parts), sum(n * one.bytes for n, one in parts))


@dataclass(frozen=True)
class Estimate:
    """What each of some runs costs, by name."""

    runs: dict[str, Cost]
    kinds: int
    """How many kinds of run were measured."""

    def seconds(self, workers: int) -> float:
        """With so many workers at a time, each as fast as one alone."""
        all_of_them = [cost.seconds for cost in self.runs.values()]
        return max(sum(all_of_them) / workers, max(all_of_them, default=0.0))

    @property
    def bytes(self) -> int:
        """On disk, in all."""
        return sum(cost.bytes for cost in self.runs.values())


def estimate(jobs: Sequence[Job]) -> Estimate:
    """Measure each kind of run among the jobs once, in a temporary directory. Raises what training would."""
    kinds = {kind(job.config): job.config for job in jobs}
    begin = time.perf_counter()
    if jobs:
        subprocess.run([sys.executable, "-P", "-c", _IMPORTS], check=True, env=environment(1))
    imports = time.perf_counter() - begin
    measured = {name: calibrate(config, imports) for name, config in kinds.items()}
    return Estimate({job.name: measured[kind(job.config)].run(job.config) for job in jobs}, len(measured))


def kind(config: RunConfig) -> str:
    """What runs of the same cost per step share: task, model, optimizer, batch, and all else but rates and bounds."""
    values = {name: value for name, value in to_dict(config).items() if name not in _UNMEASURED}

    def shape(section: str, value: Any) -> Any:
        if section == "task" or not isinstance(value, dict):
            return value
        return {k: v for k, v in value.items() if not isinstance(v, float) and k not in _LENGTHS}

    # Recording signal, memory and noise can cost more than a step: it is measured where it is asked for.
    shapes = {name: shape(name, value) for name, value in values.items()}
    return json.dumps({**shapes, "margins": config.probes.margins_every is not None}, sort_keys=True)


@cache
def checkpoints(config: CheckpointConfig, steps: int) -> int:
    """How many checkpoints a run of so many steps keeps, the last one included."""
    return 1 + sum(config.due(step, None) for step in range(steps))


def calibrate(config: RunConfig, start_seconds: float) -> Calibration:
    """The costs of one kind of run, whose process takes `start_seconds` to start, measured by training it a little."""
    with TemporaryDirectory() as folder, threads(config.training.threads), _stopwatch() as building:
        trainer = Trainer(config, run_task(config))
        recorder, margin_recorder = Recorder(trainer), MarginRecorder(trainer)
        path = Path(folder, "run")
        with create_run(path, config) as writer:
            fixed = _bytes(path)
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
            _cost(evaluate, path)
            record()
            steps, begin = 0, time.perf_counter()
            while steps < 3 or time.perf_counter() - begin < _SECONDS:
                update()
                steps += 1
            step = Cost((time.perf_counter() - begin) / steps)
            evaluation, recorded = _cost(evaluate, path), _cost(record, path)
            margins = _cost(record_margins, path) if config.probes.margins_every is not None else Cost(0.0)
            saved, kept = _cost(save, path), _cost(checkpoint, path)
    start = Cost(start_seconds + built + saved.seconds, fixed + saved.bytes)
    return Calibration(start, step, evaluation, recorded, margins, kept, trainer.batches.steps_per_epoch)


def _cost(act: Callable[[], None], path: Path) -> Cost:
    """Seconds that something takes, and bytes that it adds below a directory."""
    before = _bytes(path)
    with _stopwatch() as elapsed:
        act()
    return Cost(elapsed(), _bytes(path) - before)


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


@contextmanager
def _stopwatch() -> Iterator[Callable[[], float]]:
    """Seconds since the block was entered."""
    begin = time.perf_counter()
    yield lambda: time.perf_counter() - begin
