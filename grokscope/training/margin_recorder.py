"""Signal, memory and noise around a step: before it, after the optimizer's update, and after norm control.

So what the optimizer changes and what the clip changes are told apart. The formulas are those of
`grokscope.probes.margins`, over all examples of the task; recording changes nothing that is trained.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokscope.engine.evaluation import CHUNK
from grokscope.model import Weights
from grokscope.probes.margins import margin_rows
from grokscope.training.trainer import StepRecord, Trainer

STAGES = ("before", "updated", "after")


class MarginRecorder:
    """Makes the rows that `Run.recorded_margins` shows.

    Arguments:
        trainer: whose steps are recorded.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self._last: tuple[int, list[dict[str, Any]]] | None = None

    @cached_property
    def _is_train(self) -> Bool[Tensor, "example"]:
        task, config = self.trainer.task, self.trainer.config
        return task.mask(task.split(config.task.train_fraction, config.seed)[0])

    def due(self, step: int) -> bool:
        """Whether the step that leads to this number of updates is recorded: 1, 1 + margins_every, ..."""
        every = self.trainer.config.probes.margins_every
        return every is not None and step > 0 and (step - 1) % every == 0

    def rows(self, record: StepRecord) -> list[dict[str, Any]]:
        """A row for each stage and operation, for the step that the trainer has just taken."""
        step = self.trainer.step
        known = self._last is not None and self._last[0] == step - 1
        before = self._last[1] if self._last is not None and known else self._measure(record.before)
        updated = self._measure(record.updated)
        untouched = all(torch.equal(record.updated[name], record.after[name]) for name in record.after)
        after = updated if untouched else self._measure(record.after)
        self._last = (step, after)
        stages = zip(STAGES, (before, updated, after), strict=True)
        return [{"stage": stage, **row} for stage, rows in stages for row in rows]

    def _measure(self, trained: Weights) -> list[dict[str, Any]]:
        trainer = self.trainer
        weights = trainer.complete(trained)

        def logits_of(_: str, examples: Int[Tensor, "example"]) -> Float[Tensor, "example d_vocab_out"]:
            on_device = examples.to(trainer.engine.labels.device)
            return torch.cat([trainer.engine.answer_logits(weights, chunk) for chunk in on_device.split(CHUNK)])

        with torch.no_grad():
            return margin_rows(trainer.task, self._is_train, logits_of)
