"""Rows of a parameter: their norms, and bounds on them.

A row is the incoming weight vector of one output unit, whichever way round the tensor is stored: the
`nn.Linear` row `[out, in]` that per-row clipping is defined on. `row_dims` says which dimensions of a
`HookedTransformer` tensor a row runs over, `bundles` which tensors share a row; everything else follows.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.config import ConfigError, NormConfig
from grokscope.model import ROLES, Weights, in_scope, is_buffer, role

INIT_SCOPES = {"none": (), "all": ROLES, "edge": ("embed", "unembed"), "edge_ln": ("embed", "unembed", "ln_final")}
"""Parameter groups that each `norms.init_rows` projects."""

_ROW_DIMS = {
    "W_E": (1,),  # [vocab, d_model]: a token's vector
    "W_pos": (1,),  # [ctx, d_model]: a position's vector
    "W_Q": (1,),  # [head, d_model, d_head]: the weights into one coordinate of one head
    "W_K": (1,),
    "W_V": (1,),
    "W_O": (0, 1),  # [head, d_head, d_model]: the weights into one residual coordinate, from all heads
    "W_in": (0,),  # [d_model, d_mlp]: the weights into one neuron
    "W_out": (0,),  # [d_mlp, d_model]: the weights into one residual coordinate
    "W_U": (0,),  # [d_model, vocab]: the weights into one logit
}


def row_dims(name: str) -> tuple[int, ...] | None:
    """Dimensions that a row of the parameter runs over; None: the whole tensor is one row (biases, gains).

    Raises ValueError for a name that no `HookedTransformer` of ours has.
    """
    leaf = name.rpartition(".")[2]
    if leaf in _ROW_DIMS:
        return _ROW_DIMS[leaf]
    role(name)  # refuses unknown names
    return None


def row_norms(name: str, value: Tensor) -> Float[Tensor, "..."]:
    """L2 norm of every row, with the row's dimensions kept at size 1, so that it broadcasts against `value`."""
    dims = row_dims(name)
    # Not vector_norm: over any but the last dimension it is ten times slower than squares and a sum.
    return (value * value).sum(tuple(range(value.ndim)) if dims is None else dims, keepdim=True).sqrt_()


def bundles(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """The named parameters, grouped where several hold one row between them; each is in one group.

    `nn.MultiheadAttention` keeps the biases of queries, keys and values in one vector, so b_Q, b_K and b_V of a
    layer are one row of 3 d_model entries. All other parameters stand alone.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        module, _, leaf = name.rpartition(".")
        groups.setdefault(f"{module}.b_QKV" if leaf in ("b_Q", "b_K", "b_V") else name, []).append(name)
    return tuple(map(tuple, groups.values()))


def _bundle_norms(weights: Weights, bundle: tuple[str, ...]) -> Tensor:
    """Norms of the rows of a bundle; they broadcast against each of its tensors."""
    norms = [row_norms(name, weights[name]) for name in bundle]
    return norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.cat(norms), dim=0, keepdim=True)


@torch.no_grad()
def project_rows_(weights: Weights, norm: float, names: Iterable[str]) -> None:
    """Scale every row of the named parameters to exactly `norm`, in place; rows of zeros stay zero.

        w_row <- w_row * norm / ||w_row||_2

    Source: the initial projection of "Clip to Grok" (2026).
    """
    _positive("norms.init_norm", norm)
    for bundle in bundles(names):
        norms = _bundle_norms(weights, bundle)
        factor = torch.where(norms > 0, norm / norms, 1.0)
        for name in bundle:
            weights[name].mul_(factor)


@torch.no_grad()
def clip_rows_(weights: Weights, max_norm: float, names: Iterable[str]) -> None:
    """Scale every row of the named parameters whose norm exceeds `max_norm` down to it, in place.

        w_row <- w_row * min(1, max_norm / ||w_row||_2)

    Rows inside the ball are left bit for bit as they are (they are multiplied by exactly 1).
    Source: per-row weight-norm clipping ("Clip to Grok", 2026).
    """
    _positive("norms.max_norm", max_norm)
    for bundle in bundles(names):
        # max_norm / 0 = inf, clamped to 1: a row of zeros is inside the ball.
        factor = (max_norm / _bundle_norms(weights, bundle)).clamp_(max=1.0)
        for name in bundle:
            weights[name].mul_(factor)


def start_rows_(weights: Weights, config: NormConfig) -> None:
    """Norm control before the first step, in place: the initial projection, then the clip once."""
    names = in_scope(weights, INIT_SCOPES[config.init_rows])
    if names:
        norm = config.row_norm_at_start
        if norm is None:  # a NormConfig is checked when made; this is for the type checker
            raise ConfigError("norms.init_norm is missing")
        project_rows_(weights, norm, names)
    if config.max_norm is not None:
        clip_rows_(weights, config.max_norm, in_scope(weights, config.scope))


def group_norms(weights: Weights) -> dict[str, float]:
    """L2 norm of all parameters of each group together, and of all groups (`total`)."""
    squares: dict[str, float] = dict.fromkeys(ROLES, 0.0)
    for name, value in weights.items():
        if not is_buffer(name):
            squares[role(name)] += float(torch.linalg.vector_norm(value.detach(), dtype=torch.float64)) ** 2
    squares["total"] = sum(squares.values())
    return {group: square**0.5 for group, square in squares.items()}


def _positive(field: str, value: float) -> None:
    if not value > 0:
        raise ConfigError(f"{field} = {value!r} is not accepted: use a number > 0")
