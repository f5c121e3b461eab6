"""Contestant (b): the `HookedTransformer` itself in a training loop, as its users write it."""

from __future__ import annotations

from benchmarks.start import start_weights
from benchmarks.torch_loop import TorchLoop
from grokscope.config import RunConfig
from grokscope.model import Weights, in_scope, load_model
from grokscope.norms import clip_rows_
from grokscope.tasks import Task


class HookedContestant(TorchLoop):
    """Training steps and evaluations of a `HookedTransformer`."""

    def __init__(self, config: RunConfig, task: Task) -> None:
        super().__init__(config, task, load_model(config.model, task, start_weights(config, task)).train())
        self.weights: Weights = dict(self.model.named_parameters())
        self.clipped = in_scope(self.weights, config.norms.scope)

    def clip(self, max_norm: float) -> None:
        clip_rows_(self.weights, max_norm, self.clipped)
