"""Loop, checkpoints and probes of a run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Literal

from grokscope.config.checks import boolean, choice, integer, refuse

Schedule = Literal["every", "log", "dense", "ends"]

DEVICE = re.compile(r"cpu|mps|cuda(:(0|[1-9]\d?))?")
"""What networks can be trained on; whether a machine has it is seen to when training begins."""
MOST_PER_DECADE = 10_000
"""Of a logarithmic schedule: more save every step up to the 4343rd, as so many do."""
MAX_THREADS = 1024
"""More than a processor has cores; OpenMP ends the process where it cannot start a thread."""


@dataclass(frozen=True)
class ProbeConfig:
    """What is recorded about the training itself (`Run.probes`)."""

    record_every: int | None = 10
    """Steps between recordings: steps 0, 1, 1 + record_every, ... are recorded; left out: none."""
    margins_every: int | None = None
    """Steps between recordings of signal, memory and noise around a step: 1, 1 + margins_every, ...; left out: none."""

    trace: bool = False
    """Whether every step's norms and spread of logits are recorded, for other runs to follow (`Run.trace`)."""

    def __post_init__(self) -> None:
        boolean("probes.trace", self.trace)
        for name in ("record_every", "margins_every"):
            if getattr(self, name) is not None:
                integer(f"probes.{name}", getattr(self, name), 1)


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
    """cpu, cuda, cuda:N or mps."""

    def __post_init__(self) -> None:
        integer("training.steps", self.steps, 1)
        for name, low in (("batch_size", 1), ("eval_every", 1), ("stop_evaluations", 0)):
            if getattr(self, name) is not None:
                integer(f"training.{name}", getattr(self, name), low)
        integer("training.threads", self.threads, 1, MAX_THREADS)
        if not isinstance(self.device, str) or not DEVICE.fullmatch(self.device):
            refuse("training.device", self.device, "use cpu, cuda, cuda:N (the first is cuda:0) or mps")


@dataclass(frozen=True)
class CheckpointConfig:
    """When weights are saved. The first (step 0) and the last are always saved."""

    schedule: Schedule = "every"
    """every: each `every` steps. log: `per_decade` per factor of ten. dense: each `every` steps until the
    grok is sustained, then each `sparse_every`. ends: the first and the last alone."""
    every: int = 10
    per_decade: int = 20
    sparse_every: int = 200
    steps: tuple[int, ...] = ()
    """The steps whose weights are saved, instead of those of a schedule (--checkpoints.steps 1 2 5 10)."""

    def __post_init__(self) -> None:
        if not isinstance(self.steps, tuple):
            refuse("checkpoints.steps", self.steps, "use a list of steps")
        for step in self.steps:
            integer("checkpoints.steps", step, 0)
        choice("checkpoints.schedule", self.schedule, Schedule)
        for name in ("every", "per_decade", "sparse_every"):
            integer(f"checkpoints.{name}", getattr(self, name), 1, MOST_PER_DECADE if name == "per_decade" else None)

    def due(self, step: int, sustained_since: int | None) -> bool:
        """Whether the schedule saves the weights after `step` updates. Step 0 is due in every schedule.

            every   steps that `every` divides
            log     the integers nearest to 10^(k / per_decade), k = 0, 1, ..., each once
            dense   steps that `every` divides up to `sustained_since`, and those that `sparse_every` divides after it
            ends    step 0 alone

        Where `steps` names steps, these are due, and no schedule is read. The last step is saved by the trainer,
        whatever the schedule says.

        Arguments:
            step: the number of updates that are done.
            sustained_since: the step at which the grok was known to be sustained (`Milestones.sustained_at`); None as
                long as it is not.
        """
        if step == 0:
            return True
        if self.steps:
            return step in self.steps
        if self.schedule == "ends":
            return False
        if self.schedule == "log":
            # If any 10^(k/n) rounds to `step`, then so does one of the two nearest to it in the exponent.
            exponent = self.per_decade * log10(step)
            return any(round(10 ** (k / self.per_decade)) == step for k in (floor(exponent), ceil(exponent)))
        if self.schedule == "dense" and sustained_since is not None and step > sustained_since:
            return step % self.sparse_every == 0
        return step % self.every == 0

    def count(self, steps: int, begin: int = 0) -> int:
        """How many checkpoints are kept of training from one step to another, the first and the last among them.

        A dense schedule is taken to stay dense: an upper bound.
        """
        if steps <= begin:
            return 1
        return 2 + self._due_before(steps) - self._due_before(begin + 1)

    def _due_before(self, end: int) -> int:
        """How many of the steps 1 .. end - 1 are due."""
        if self.steps:
            return sum(0 < step < end for step in set(self.steps))
        if self.schedule == "ends":
            return 0
        if self.schedule == "log":
            last = ceil(self.per_decade * log10(end)) if end > 1 else -1
            return sum(step < end for step in {round(10 ** (k / self.per_decade)) for k in range(last + 1)})
        return (end - 1) // self.every
