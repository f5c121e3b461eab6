"""Networks in the layouts in which others ship theirs, made of one that this package has."""

from __future__ import annotations

import torch
from torch import Tensor

from grokscope.config import ModelConfig, TaskConfig
from grokscope.model import Weights, initial_weights, load_model
from grokscope.tasks import build_task

ADD7 = {"task": "add", "modulus": 7, "activation": "relu"}
TASK = build_task(TaskConfig(name="add", modulus=7, form="x_y_eq"))
CONFIG = ModelConfig(
    n_layers=2, d_model=12, n_heads=3, d_head=5, d_mlp=20, activation="relu", normalization="none", output="answers",
    unembed_bias=True, residual="pre_ln",
)  # fmt: skip


def network(biases: tuple[str, ...] = ("b_in", "b_out"), config: ModelConfig = CONFIG, seed: int = 0) -> Weights:
    """Parameters of a network; of its biases those of some kinds are not zero, and the others are not there."""
    source = torch.Generator().manual_seed(seed)
    weights = {}
    for name, value in initial_weights(config, TASK, seed).items():
        kind = name.rpartition(".")[2]
        if kind in biases:
            weights[name] = torch.randn(value.shape, generator=source)
        elif kind.startswith("W_"):
            weights[name] = value
    return weights


def logits(weights: Weights, config: ModelConfig = CONFIG) -> Tensor:
    """What a `HookedTransformer` with these parameters answers, biases that are not there being zero."""
    whole = {name: torch.zeros_like(value) if name.rpartition(".")[2][0] == "b" else value
             for name, value in initial_weights(config, TASK, 0).items()}  # fmt: skip
    return load_model(config, TASK, whole | weights)(TASK.tokens)[:, -1].detach()


def _joined(value: Tensor) -> Tensor:
    """[head, d_head, d_model] -> [d_model, (head d_head)]"""
    return torch.cat(list(value), dim=0).T.contiguous()


def left_facing(weights: Weights) -> Weights:
    """As in the first notebooks on grokking: everything turned but W_pos and W_U, and the heads of W_O joined."""
    out = {}
    for name, value in weights.items():
        kind = name.rpartition(".")[2]
        if kind == "W_O":
            out[name] = _joined(value)
        elif kind.startswith("W_") and kind not in ("W_pos", "W_U"):
            out[name] = value.transpose(-1, -2).contiguous()
        else:
            out[name] = value
    return out


def all_turned(weights: Weights) -> Weights:
    """Every matrix turned."""
    return {name: value.transpose(-1, -2).contiguous() if value.ndim > 1 and ".b_" not in name else value
            for name, value in weights.items()}  # fmt: skip


def linear(weights: Weights) -> Weights:
    """As `nn.Linear` has them: [out, in], all heads together; embeddings as they are."""
    out = {}
    for name, value in weights.items():
        kind = name.rpartition(".")[2]
        if kind in ("W_Q", "W_K", "W_V"):
            out[name] = torch.cat([head.T for head in value], dim=0)
        elif kind == "W_O":
            out[name] = _joined(value)
        elif kind in ("W_in", "W_out", "W_U"):
            out[name] = value.T.contiguous()
        else:
            out[name] = value
    return out
