"""Rows of a parameter: their norms, statistics of those, and bounds on them.

A row is the incoming weight vector of one output unit, whichever way round the tensor is stored: the
`nn.Linear` row `[out, in]` that per-row clipping is defined on. `row_dims` says which dimensions of a
`HookedTransformer` tensor a row runs over, `bundles` which tensors share a row; everything else follows. Bounds on
rows, and norms of bundles, also serve tensors of several networks at once, with an axis for the networks before all
others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from math import nan

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.config import ConfigError
from grokscope.model import Weights, role

_ROW_DIMS = {
    "W_E": (-1,),  # [vocab, d_model]: a token's vector
    "W_pos": (-1,),  # [ctx, d_model]: a position's vector
    "W_Q": (-2,),  # [head, d_model, d_head]: the weights into one coordinate of one head
    "W_K": (-2,),
    "W_V": (-2,),
    "W_O": (-3, -2),  # [head, d_head, d_model]: the weights into one residual coordinate, from all heads
    "W_in": (-2,),  # [d_model, d_mlp]: the weights into one neuron
    "W_out": (-2,),  # [d_mlp, d_model]: the weights into one residual coordinate
    "W_U": (-2,),  # [d_model, vocab]: the weights into one logit
    "b_Q": (-2, -1),  # [head, d_head]: the whole tensor, as of every bias and gain
    "b_K": (-2, -1),
    "b_V": (-2, -1),
}


def row_dims(name: str) -> tuple[int, ...]:
    """Dimensions that a row of the parameter runs over, counted from the last: tensors may have others before.

    Raises ValueError for a name that no `HookedTransformer` of ours has.
    """
    leaf = name.rpartition(".")[2]
    if leaf in _ROW_DIMS:
        return _ROW_DIMS[leaf]
    role(name)  # refuses unknown names
    return (-1,)


def row_norms(name: str, value: Tensor) -> Float[Tensor, "..."]:
    """L2 norm of every row, with the row's dimensions kept at size 1, so that it broadcasts against `value`."""
    return (value * value).sum(row_dims(name), keepdim=True).sqrt_()


def row_angles(name: str, before: Tensor, after: Tensor) -> Float[Tensor, "row"]:
    """Angle in radians between each row before and after; NaN where either is zero.

    2 asin(||u - v|| / 2) for unit vectors u and v: exact for small angles, where the arc cosine is not.
    """
    dims = row_dims(name)
    u, v = (x.detach().double() for x in (before, after))
    u, v = (x / torch.linalg.vector_norm(x, dim=dims, keepdim=True) for x in (u, v))
    half_chord = torch.linalg.vector_norm(u - v, dim=dims) / 2
    return 2 * torch.asin(half_chord.clamp(max=1.0)).flatten()


@cache
def bundles(names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The named parameters, grouped where several hold one row between them; each is in one group.

    `nn.MultiheadAttention` keeps the biases of queries, keys and values in one vector, so b_Q, b_K and b_V of a
    layer are one row of 3 d_model entries. All other parameters stand alone.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        module, _, leaf = name.rpartition(".")
        groups.setdefault(f"{module}.b_QKV" if leaf in ("b_Q", "b_K", "b_V") else name, []).append(name)
    return tuple(map(tuple, groups.values()))


def bundle_norms(weights: Weights, bundles: Sequence[tuple[str, ...]]) -> list[Tensor]:
    """Norms of the rows of each bundle; they broadcast against each of its tensors."""
    values = [weights[name] for bundle in bundles for name in bundle]
    if not values:
        return []
    # Most parameters are so small that a call costs more than its work: one call for all, where there is one.
    # Not vector_norm: over any but the last dimension it is ten times slower than squares and a sum.
    squares = iter(torch._foreach_mul(values, values))
    sums = []
    for bundle in bundles:
        parts = [next(squares).sum(row_dims(name), keepdim=True) for name in bundle]
        sums.append(parts[0] if len(parts) == 1 else torch.stack(parts).sum(0))
    torch._foreach_sqrt_(sums)
    return sums


@torch.no_grad()
def project_rows_(weights: Weights, norm: float, names: Iterable[str]) -> None:
    """Scale every row of the named parameters to exactly `norm`, in place; rows of zeros stay zero.

        w_row <- w_row * norm / ||w_row||_2

    Source: the initial projection of "Clip to Grok" (2026).
    """
    _positive("norms.init_norm", norm)
    grouped = bundles(tuple(names))
    for bundle, norms in zip(grouped, bundle_norms(weights, grouped), strict=True):
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
    grouped = bundles(tuple(names))
    norms = bundle_norms(weights, grouped)
    if not norms:
        return
    # max_norm / max_norm is exactly 1, and a row of zeros is inside the ball.
    torch._foreach_clamp_min_(norms, max_norm)
    factors = torch._foreach_div([norms[0].new_full((), max_norm)] * len(norms), norms)
    pairs = [(weights[name], factor) for bundle, factor in zip(grouped, factors, strict=True) for name in bundle]
    torch._foreach_mul_([value for value, _ in pairs], [factor for _, factor in pairs])


AT_BOUND = 1e-4
"""A row is at the bound of its clip if its norm is within this share of it: clipped rows are, to rounding."""


@torch.no_grad()
def row_table(
    weights: Weights, groups: Mapping[str, tuple[str, ...]], bounds: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """Norms of the rows of each group of parameters.

    Arguments:
        groups: the parameters of each group, by the group's name.
        bounds: the bound on the rows of each clipped parameter.

    b_Q, b_K and b_V of a layer are one row (see `bundles`); a group that holds one of them reports that row.

    Returns for each group: norm (of all its parameters together), row_mean, row_min, row_q10, row_median, row_q90,
    row_max (over its rows), rows, at_bound (share of rows at the bound of their clip; NaN for a group that is not
    clipped).
    """
    grouped = bundles(tuple(dict.fromkeys(name for names in groups.values() for name in names)))
    norms = {
        bundle: norms.flatten().double() for bundle, norms in zip(grouped, bundle_norms(weights, grouped), strict=True)
    }
    return {
        group: _statistics([(norms[bundle], bounds.get(bundle[0])) for bundle in grouped if set(bundle) & set(names)])
        for group, names in groups.items()
    }


def _statistics(bounded_norms: list[tuple[Float[Tensor, "row"], float | None]]) -> dict[str, float]:
    """Statistics of the norms of rows, which are given with the bound on them, if they have one."""
    norms = torch.cat([part for part, _ in bounded_norms])
    clipped = [(part, bound) for part, bound in bounded_norms if bound is not None]
    at_bound = sum(int((part > bound * (1 - AT_BOUND)).sum()) for part, bound in clipped)
    n_clipped = sum(len(part) for part, _ in clipped)
    low, median, high = torch.quantile(norms, norms.new_tensor([0.1, 0.5, 0.9])).tolist()
    return {
        "norm": float(torch.linalg.vector_norm(norms)),
        "row_mean": float(norms.mean()),
        "row_min": float(norms.min()),
        "row_q10": low,
        "row_median": median,
        "row_q90": high,
        "row_max": float(norms.max()),
        "rows": len(norms),
        "at_bound": at_bound / n_clipped if n_clipped else nan,
    }


def joint_norm(values: Sequence[Tensor]) -> float:
    """L2 norm of several tensors taken as one vector, summed in float64."""
    squares = sum(float(torch.linalg.vector_norm(value.detach(), dtype=torch.float64)) ** 2 for value in values)
    return squares**0.5


def _positive(field: str, value: float) -> None:
    if not value > 0:
        raise ConfigError(f"{field} = {value!r} is not accepted: use a number > 0")
