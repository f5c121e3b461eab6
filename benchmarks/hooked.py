"""Contestant (b): the `HookedTransformer` itself in a training loop, as its users write it."""

from __future__ import annotations

from benchmarks.torch_loop import TorchLoop
from grokscope.config import RunConfig
from grokscope.model import in_scope, initial_weights, load_model
from grokscope.norms import clip_rows_
from grokscope.tasks import Task


class HookedContestant(TorchLoop):
    """Training steps and evaluations of a `HookedTransformer`."""

    def __init__(self, config: RunConfig, task: Task) -> None:
        weights = initial_weights(config.model, task, config.seed)
        super().__init__(config, task, load_model(config.model, task, weights).train())
        self.weights = dict(self.model.named_parameters())
        self.clipped = in_scope(self.weights, config.norms.scope)

    def clip(self, max_norm: float) -> None:
        clip_rows_(self.weights, max_norm, self.clipped)
