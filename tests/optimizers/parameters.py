"""Parameters of a small network in one vector, and random gradients of them."""

from __future__ import annotations

import torch
from torch import Tensor

from grokscope.config import ModelConfig, TaskConfig
from grokscope.model import trained_names
from grokscope.optimizers import FlatParameters
from grokscope.tasks import build_task
from tests.model.strategies import random_weights

TASK = build_task(TaskConfig(name="add", modulus=5))
SMALL = {"n_layers": 1, "d_model": 8, "n_heads": 2, "d_mlp": 12, "unembed_bias": True}


def flat_parameters(dtype: str = "float64") -> FlatParameters:
    """Every kind of parameter that there is; queries, keys and values in the memory order of training."""
    config = ModelConfig(**SMALL, dtype=dtype)
    weights = random_weights(config, TASK, 0)
    return FlatParameters(weights, trained_names(weights, config))


def gradients(flat: FlatParameters, step: int) -> list[Tensor]:
    """Normal gradients of the leaves, with exact zeros, as for embeddings of tokens that are not in the batch."""
    source = torch.Generator().manual_seed(step)
    grads = [torch.randn(leaf.shape, generator=source, dtype=torch.float64) for leaf in flat.leaves]
    for grad in grads:
        grad.view(-1)[::7] = 0.0
    return [grad.to(flat.vector.dtype) for grad in grads]


def named_gradients(flat: FlatParameters, step: int) -> dict[str, Tensor]:
    """The same, by name."""
    return dict(zip(flat.names, gradients(flat, step), strict=True))


def copies(flat: FlatParameters) -> dict[str, Tensor]:
    """The weights that are trained, as they are now."""
    return {name: flat.weights[name].detach().clone() for name in flat.names}
