"""Norms of rows by parameter group, and how many of them are at the bound of a clip."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan

import torch
from torch import Tensor

from grokscope.model import Weights
from grokscope.norms import bundle_norms, bundles

AT_BOUND = 1e-4
"""A row is at the bound if its norm is within this share of it: clipped rows are, to rounding."""


@torch.no_grad()
def row_table(
    weights: Weights, groups: Mapping[str, tuple[str, ...]], bounds: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """Norms of the rows of each group of parameters.

    Arguments:
        groups: parameters of each group, by its name.
        bounds: the bound on the rows of each clipped parameter.

    b_Q, b_K and b_V of a layer are one row (see `grokscope.norms.bundles`), which is told of each of them alone, too.

    Returns for each group: norm (of all its parameters together), row_mean, row_min, row_q10, row_median, row_q90,
    row_max (over its rows), rows, at_bound (share of rows at the bound of their clip; NaN for a group that is not
    clipped).
    """
    grouped = bundles(tuple(dict.fromkeys(name for names in groups.values() for name in names)))
    norms = dict(zip(grouped, bundle_norms(weights, grouped), strict=True))
    return {
        group: _group(
            [
                (n.flatten().double(), bounds.get(bundle[0]))
                for bundle, n in norms.items()
                if any(b in names for b in bundle)
            ]
        )
        for group, names in groups.items()
    }


def _group(found: list[tuple[Tensor, float | None]]) -> dict[str, float]:
    rows = torch.cat([norms for norms, _ in found])
    at = sum(int((norms > bound * (1 - AT_BOUND)).sum()) for norms, bound in found if bound is not None)
    of = sum(len(norms) for norms, bound in found if bound is not None)
    low, median, high = torch.quantile(rows, rows.new_tensor([0.1, 0.5, 0.9])).tolist()
    return {
        "norm": float(torch.linalg.vector_norm(rows)),
        "row_mean": float(rows.mean()),
        "row_min": float(rows.min()),
        "row_q10": low,
        "row_median": median,
        "row_q90": high,
        "row_max": float(rows.max()),
        "rows": len(rows),
        "at_bound": at / of if of else nan,
    }
