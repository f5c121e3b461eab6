"""The weights that every contestant starts from."""

from __future__ import annotations

from grokscope.config import RunConfig
from grokscope.model import Weights, initial_weights
from grokscope.norms import begin_
from grokscope.tasks import Task


def start_weights(config: RunConfig, task: Task) -> Weights:
    """A complete state dict: freshly drawn by the seed, projected and clipped as the config says."""
    weights = initial_weights(config.model, task, config.seed)
    begin_(weights, config.norms, weights)
    return weights
