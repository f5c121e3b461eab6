"""Hypothesis strategies: everything that a config can express, at sizes that run in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import get_args

import torch
from hypothesis import strategies as st

from grokscope.config import ModelConfig, TaskConfig
from grokscope.config.model import Activation, AttentionDir, Dtype, Init, Normalization, Output, Residual
from grokscope.config.task import Form, Operation, TaskName
from grokscope.model import Weights, dtype_of, initial_weights, is_buffer, is_trained
from grokscope.tasks import Task, build_task


@dataclass(frozen=True)
class Network:
    """A task, an architecture, and weights in which nothing is 0 or 1 that training could change."""

    task_config: TaskConfig
    config: ModelConfig
    seed: int

    @property
    def task(self) -> Task:
        return build_task(self.task_config)

    @property
    def weights(self) -> Weights:
        return random_weights(self.config, self.task, self.seed)


WITHOUT_DATA = tuple(name for name in get_args(TaskName) if name not in ("expression", "table", "given"))
"""Tasks that need no formula, table or object."""


@st.composite
def task_configs(draw: st.DrawFn) -> TaskConfig:
    name = draw(st.sampled_from(WITHOUT_DATA))
    operations = tuple(draw(st.lists(st.sampled_from(get_args(Operation)), min_size=1, unique=True)))
    form = "x_op_y_eq" if name == "mixed" and len(operations) > 1 else draw(st.sampled_from(get_args(Form)))
    bits = draw(st.integers(1, 5))
    return TaskConfig(
        name=name,
        group=draw(st.sampled_from(["Z6", "D4", "A4", "Z2xS3"])) if name == "group" else None,
        modulus=draw(st.sampled_from([2, 3, 5, 7])),
        operations=operations,
        degree=3,
        bits=bits,
        parity_bits=draw(st.integers(1, bits)),
        form=form,
    )


@st.composite
def model_configs(draw: st.DrawFn, dtype: str | None = None, max_layers: int = 3) -> ModelConfig:
    activation = draw(st.sampled_from(get_args(Activation)))
    # Squares of squares grow without bound where nothing normalises them.
    normalizations = ("LN",) if activation == "quadratic" else get_args(Normalization)
    n_heads, d_head = draw(st.sampled_from([(1, 8), (2, 4), (3, 2), (4, 3), (2, 8), (5, 5), (8, 1)]))
    # By default heads share d_model; a width of their own may be larger, smaller, and no divisor.
    d_model, own = draw(st.sampled_from([(n_heads * d_head, None), (n_heads * d_head, d_head), (5, d_head), (14, 3)]))
    return ModelConfig(
        n_layers=draw(st.integers(1, max_layers)),
        d_model=d_model,
        n_heads=n_heads,
        d_head=own,
        d_mlp=draw(st.integers(4, 40)),
        activation=activation,
        normalization=draw(st.sampled_from(normalizations)),
        biases=draw(st.booleans()),
        unembed_bias=draw(st.booleans()),
        dtype=dtype or draw(st.sampled_from(get_args(Dtype))),
        init=draw(st.sampled_from(get_args(Init))),
        residual=draw(st.sampled_from(get_args(Residual))),
        output=draw(st.sampled_from(get_args(Output))),
        attention_only=draw(st.sampled_from([False, False, True])),
        attention_dir=draw(st.sampled_from(get_args(AttentionDir))),
        tied=draw(st.sampled_from([False, False, True])),
    )


def networks(dtype: str | None = None, max_layers: int = 3) -> st.SearchStrategy[Network]:
    return st.builds(Network, task_configs(), model_configs(dtype, max_layers), st.integers(0, 2**20))


def random_weights(config: ModelConfig, task: Task, seed: int) -> Weights:
    """Weights of the size that networks have, but no zero biases and no gains of one."""
    source = torch.Generator().manual_seed(seed)
    weights = initial_weights(config, task, 0)
    for name, value in weights.items():
        if is_buffer(name) or not is_trained(name, config):
            continue
        noise = torch.randn(value.shape, generator=source, dtype=torch.float64)
        leaf = name.rpartition(".")[2]
        if leaf in ("W_E", "W_pos"):
            drawn = noise
        elif leaf in ("W_Q", "W_K", "W_V", "W_O", "W_in", "W_U"):
            drawn = noise / sqrt(config.d_model)
        elif leaf == "W_out":
            drawn = noise / sqrt(config.d_mlp)
        else:
            drawn = 0.3 * noise + float(leaf == "w")
        weights[name] = drawn.to(dtype_of(config))
    if config.tied:
        weights["unembed.W_U"] = weights["embed.W_E"][: weights["unembed.W_U"].shape[1]].T.clone()
    return weights
