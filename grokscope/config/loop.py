"""Loop, checkpoints and probes of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from grokscope.config.checks import choice, integer, refuse

Schedule = Literal["every", "log", "dense", "ends"]


@dataclass(frozen=True)
class ProbeConfig:
    """What is recorded about the training itself (`Run.probes`)."""

    record_every: int | None = 10
    """Steps between recordings: steps 0, 1, 1 + record_every, ... are recorded; left out: none."""

    def __post_init__(self) -> None:
        if self.record_every is not None:
            integer("probes.record_every", self.record_every, 1)


@dataclass(frozen=True)
class TrainingConfig:
    """The loop: how long, in which batches, evaluated how often, on what."""

    steps: int = 2000
    """Budget, in optimizer steps."""
    batch_size: int | None = None
    """Examples per step, reshuffled every epoch (the last batch may be smaller); left out: the full train set."""
    eval_every: int | None = None
    """Steps between evaluations; left out: one epoch (mini-batches) or 10 steps (full batch)."""
    stop_evaluations: int | None = None
    """Stop this many evaluations after a sustained grok; left out: use the whole budget."""
    threads: int = 1
    """CPU threads. They change float results, so they belong to the run."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        integer("training.steps", self.steps, 1)
        for name, low in (("batch_size", 1), ("eval_every", 1), ("stop_evaluations", 0)):
            if getattr(self, name) is not None:
                integer(f"training.{name}", getattr(self, name), low)
        integer("training.threads", self.threads, 1)
        if not isinstance(self.device, str) or not self.device:
            refuse("training.device", self.device, "use a torch device such as cpu or cuda:0")


@dataclass(frozen=True)
class CheckpointConfig:
    """When weights are saved. The first (step 0) and the last are always saved."""

    schedule: Schedule = "every"
    """every: each `every` steps. log: `per_decade` per factor of ten. dense: each `every` steps until the
    grok is sustained, then each `sparse_every`. ends: the first and the last alone."""
    every: int = 10
    per_decade: int = 20
    sparse_every: int = 200

    def __post_init__(self) -> None:
        choice("checkpoints.schedule", self.schedule, Schedule)
        for name in ("every", "per_decade", "sparse_every"):
            integer(f"checkpoints.{name}", getattr(self, name), 1)
