"""Initial weights: what torch's own layers would draw, or what TransformerLens draws."""

from __future__ import annotations

from math import sqrt

import torch

from grokscope.config import ModelConfig
from grokscope.model.parameters import Weights, buffers, dtype_of, parameter_shapes, role, tied
from grokscope.tasks import Task, generator


def initial_weights(config: ModelConfig, task: Task, seed: int) -> Weights:
    """A complete state dict of freshly drawn weights, on the CPU; the same for the same seed.

    Draws are made in float32 and then converted, so that a float64 run starts from the same numbers. A tied unembedding
    starts as the embedding does.
    """
    weights = _torch_weights(config, task, seed) if config.init == "torch" else _hooked_weights(config, task, seed)
    dtype = dtype_of(config)
    weights = tied(config, {name: value.to(dtype) for name, value in weights.items()})
    return {name: value.contiguous() for name, value in weights.items()} | buffers(config.n_layers)


def _torch_weights(config: ModelConfig, task: Task, seed: int) -> Weights:
    """What nn.Embedding, nn.MultiheadAttention, nn.LayerNorm and nn.Linear would draw.

    Embeddings N(0, 1). Linear weights and biases U(-a, a), a = 1/sqrt(fan_in). Attention input projection
    U(-a, a), a = sqrt(6 / (3 h + d_model)): Xavier over the joint [3 h, d_model] matrix, h = n_heads d_head (d_model in
    nn.MultiheadAttention); its biases and the output projection's are zero. LayerNorm gains one, biases zero.
    """
    source = generator(seed, "weights")
    d, m, h = config.d_model, config.d_mlp, config.all_heads
    joint = sqrt(6 / (3 * h + d))
    bounds = {
        "W_Q": joint, "W_K": joint, "W_V": joint, "W_O": 1 / sqrt(h),
        "W_in": 1 / sqrt(d), "b_in": 1 / sqrt(d), "W_out": 1 / sqrt(m), "b_out": 1 / sqrt(m),
        "W_U": 1 / sqrt(d), "b_U": 1 / sqrt(d),
    }  # fmt: skip
    weights: Weights = {}
    for name, shape in parameter_shapes(config, task).items():
        leaf = name.rpartition(".")[2]
        value = torch.zeros(shape)
        if leaf in ("W_E", "W_pos"):
            value.normal_(generator=source)
        elif leaf in bounds:
            value.uniform_(-bounds[leaf], bounds[leaf], generator=source)
        elif leaf == "w":
            value.fill_(1.0)
        if (role(name) == "biases" and not config.biases) or (leaf == "b_U" and not config.unembed_bias):
            value.zero_()  # drawn all the same, so that weights do not depend on which biases are used
        weights[name] = value
    return weights


def _hooked_weights(config: ModelConfig, task: Task, seed: int) -> Weights:
    """What `HookedTransformer.init_weights` draws: matrices N(0, 0.64 / d_model), biases zero, gains one."""
    source = generator(seed, "weights")
    weights: Weights = {}
    for name, shape in parameter_shapes(config, task).items():
        leaf = name.rpartition(".")[2]
        weights[name] = torch.full(shape, 1.0 if leaf == "w" else 0.0)
        if leaf.startswith("W_"):
            weights[name].normal_(0, 0.8 / sqrt(config.d_model), generator=source)
    return weights
