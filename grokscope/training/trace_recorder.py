"""Norms of weights and spread of logits at every step, for other runs to follow (`grokscope.model.Trace`)."""

from __future__ import annotations

from typing import Any

import torch

from grokscope.engine import logit_std
from grokscope.model import Weights
from grokscope.training.trainer import StepRecord, Trainer


class TraceRecorder:
    """Makes what `Run.trace` shows.

    Arguments:
        trainer: whose steps are recorded.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._names = trainer.parameters.names
        self.records = trainer.config.probes.trace
        """Whether steps are recorded."""

    def start(self, weights: Weights) -> dict[str, Any]:
        """The record of step 0: norms before the first step, by parameter."""
        return {"after": self._norms(weights)}

    def row(self, record: StepRecord) -> dict[str, Any]:
        """The record of a step: norms after the update and after norm control, and the spread of the batch's logits."""
        return {
            "logit_std": logit_std(record.logits),
            "updated": self._norms(record.updated),
            "after": self._norms(record.after),
        }

    def _norms(self, weights: Weights) -> dict[str, float]:
        values = [weights[name].detach() for name in self._names]
        norms = torch.stack(torch._foreach_norm(values, dtype=torch.float64))
        return dict(zip(self._names, norms.tolist(), strict=True))
