"""Names, shapes and roles of the parameters of a `HookedTransformer`, without building one.

Weights are a `dict[str, Tensor]` with the names and shapes of `HookedTransformer.state_dict()`, in its
order. Beside parameters that dict holds two constant buffers per attention layer; they are kept so that
every checkpoint loads into a `HookedTransformer` as it is.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from math import prod
from typing import TypeAlias, get_args

import torch
from torch import Tensor

from grokscope.config import ConfigError, GroupName, ModelConfig
from grokscope.config.nearest import hint
from grokscope.config.parameter_groups import is_pattern
from grokscope.tasks import Task, TaskSize

Weights: TypeAlias = dict[str, Tensor]
ROLES: tuple[GroupName, ...] = get_args(GroupName)
UNEMBEDDING = "unembed.W_U"
DECODER: tuple[GroupName, ...] = tuple(role for role in ROLES if role not in ("embed", "unembed"))
"""What the scope `decoder` stands for."""


def d_vocab_out(config: ModelConfig, task: Task | TaskSize) -> int:
    """Width of the unembedding: every token, or the answers only (`model.output`)."""
    return task.d_vocab if config.output == "vocab" else task.n_answers


def dtype_of(config: ModelConfig) -> torch.dtype:
    """The torch dtype that `model.dtype` names."""
    return {"float32": torch.float32, "float64": torch.float64}[config.dtype]


def parameter_shapes(config: ModelConfig, task: Task | TaskSize) -> dict[str, tuple[int, ...]]:
    """Shape of every parameter by its `HookedTransformer` name, in the order of `named_parameters()`."""
    d, h, e, m = config.d_model, config.n_heads, config.head_width, config.d_mlp
    layer_norm = config.normalization == "LN"
    shapes: dict[str, tuple[int, ...]] = {"embed.W_E": (task.d_vocab, d), "pos_embed.W_pos": (task.n_positions, d)}
    for layer in range(config.n_layers):
        block: dict[str, tuple[int, ...]] = {}
        if layer_norm:
            block |= {"ln1.w": (d,), "ln1.b": (d,)}
        if layer_norm and not config.attention_only:
            block |= {"ln2.w": (d,), "ln2.b": (d,)}
        block |= {"attn.W_Q": (h, d, e), "attn.W_O": (h, e, d), "attn.b_Q": (h, e), "attn.b_O": (d,)}
        block |= {"attn.W_K": (h, d, e), "attn.W_V": (h, d, e), "attn.b_K": (h, e), "attn.b_V": (h, e)}
        if not config.attention_only:
            block |= {"mlp.W_in": (d, m), "mlp.b_in": (m,), "mlp.W_out": (m, d), "mlp.b_out": (d,)}
        shapes |= {f"blocks.{layer}.{name}": shape for name, shape in block.items()}
    if layer_norm:
        shapes |= {"ln_final.w": (d,), "ln_final.b": (d,)}
    out = d_vocab_out(config, task)
    return shapes | {UNEMBEDDING: (d, out), "unembed.b_U": (out,)}


def parameter_bytes(config: ModelConfig, task: Task | TaskSize, *, trained: bool = False) -> int:
    """Bytes of all parameters, or of those that are trained, told from their shapes."""
    shapes = parameter_shapes(config, task).items()
    numbers = sum(prod(shape) for name, shape in shapes if not trained or is_trained(name, config))
    return dtype_of(config).itemsize * numbers


_MEMORY_ORDER = {"W_Q": (1, 0, 2), "W_K": (1, 0, 2), "W_V": (1, 0, 2)}


def memory_order(name: str) -> tuple[int, ...] | None:
    """Order of a parameter's dimensions in memory that saves copies in training; None: as in its shape.

    Queries, keys and values of all heads are one product with [d_model, (head d_head)]. Names, shapes and values
    do not depend on it.
    """
    return _MEMORY_ORDER.get(name.rpartition(".")[2])


def is_buffer(name: str) -> bool:
    """Whether an entry of a state dict is one of TransformerLens' constants, not a parameter."""
    return name.endswith((".attn.mask", ".attn.IGNORE"))


def buffers(n_layers: int) -> Weights:
    """The constants of transformer_lens.components.Attention, as they are in its state dict."""
    constants: Weights = {}
    for layer in range(n_layers):
        constants[f"blocks.{layer}.attn.mask"] = torch.empty((0, 0), dtype=torch.bool)
        constants[f"blocks.{layer}.attn.IGNORE"] = torch.tensor(-torch.inf)
    return constants


def role(name: str) -> GroupName:
    """The group of a parameter. LayerNorm gains are `ln` (in blocks) or `ln_final`; their biases are `biases`.

    Raises ValueError for a name that no `HookedTransformer` of ours has.
    """
    module, _, leaf = name.rpartition(".")
    if module in ("embed", "unembed", "pos_embed"):
        return module  # type: ignore[return-value]
    if leaf == "b" or leaf.startswith("b_"):
        return "biases"
    if leaf == "w":
        return "ln_final" if module == "ln_final" else "ln"
    if leaf in ("W_Q", "W_K", "W_V", "W_O"):
        return "attention"
    if leaf in ("W_in", "W_out"):
        return "mlp"
    raise ValueError(f"parameter {name!r} has no role: use HookedTransformer parameter names such as blocks.0.attn.W_Q")


def in_scope(names: Iterable[str], scope: Iterable[str], setting: str = "scope") -> tuple[str, ...]:
    """The parameters, in their order, that a scope covers: names of groups, and patterns of parameter names.

    `decoder` is all groups but embed and unembed. A pattern has a dot or a star in it, as `blocks.*.mlp.W_in`.
    Raises `ConfigError`, naming the `setting`, for a group that is none, and for a pattern that no parameter has.
    """
    names = tuple(name for name in names if not is_buffer(name))
    groups: set[str] = set()
    by_name: set[str] = set()
    for entry in scope:
        if entry == "decoder":
            groups.update(DECODER)
        elif entry in ROLES:
            groups.add(entry)
        elif is_pattern(entry):
            matching = fnmatch.filter(names, entry)
            if not matching:
                raise ConfigError(
                    f"{setting} names {entry!r}, which no parameter is; {hint(entry, names, 'parameters')}"
                )
            by_name.update(matching)
        else:
            raise ConfigError(f"{setting} names {entry!r}: use decoder or some of {', '.join(ROLES)}")
    return tuple(name for name in names if name in by_name or role(name) in groups)


def is_trained(name: str, config: ModelConfig) -> bool:
    """Whether a parameter is trained: biases that are switched off stay zero, and a tied unembedding is no parameter of
    its own (see `tied`)."""
    if is_buffer(name):
        return False
    if name == UNEMBEDDING:
        return not config.tied
    if name == "unembed.b_U":
        return config.unembed_bias
    return config.biases or role(name) != "biases"


def trained_names(names: Iterable[str], config: ModelConfig) -> tuple[str, ...]:
    """The parameters that training changes, in their order."""
    return tuple(name for name in names if is_trained(name, config))


def tied(config: ModelConfig, weights: Weights) -> Weights:
    """The weights, where the config ties them with the unembedding as a view of the embedding: W_U = W_E[:answers].T.

    A `HookedTransformer` has no tied weights: checkpoints hold W_U too, equal to W_E. In training W_E alone is a
    parameter; as W_U is a view of it, its gradient is the sum of both, and norm control and decay act on it once.
    """
    if not config.tied:
        return weights
    width = weights[UNEMBEDDING].shape[-1]
    return {**weights, UNEMBEDDING: weights["embed.W_E"][..., :width, :].mT}
