"""Which reading fits a neuron: a representation, or cosets?

Both are fitted to a neuron's activation on a random half of all pairs (a, b), the same at all checkpoints, where also
the irrep and the cosets are chosen, and judged on the other half,

    R^2 = 1 - sum (X - predicted)^2 / sum (X - mean)^2                         over held-out pairs,

at most 1, and below 0 for a reading that predicts less than the held-out mean does.

    irrep   1, rho(a), rho(b) and rho(a * b) through one irrep        (`irrep_reading`)
    coset   a table over one partition of a and one of b into cosets  (`coset_reading`)

The coset reading has at most as many parameters as the irrep reading of the same neuron, and as near to that as
the indices of subgroups and a better fit allow: k_a * k_b is a product of two of them. Neither contains the other. A
function of one operand that is constant on cosets of H lies in the span of the irreps in the permutation
representation on G/H: for S4 in S5 that is 1 and the standard one, so that there both fit, and the coset reading needs
5 parameters where the irrep needs 49.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext
from grokscope.analysis.checkpoint.columns import irrep_columns
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints, spread_steps
from grokscope.analysis.cosets.coset_reading import WHOLE, CosetReading
from grokscope.analysis.cosets.irrep_reading import IrrepReading
from grokscope.analysis.cosets.partitions import coset_frames, coset_partitions, has_cosets
from grokscope.groups import FiniteGroup, subgroup_classes

CHECKPOINTS = 11
FITS = 0.5
"""A reading with less held-out R^2 does not fit."""
TIES = 1e-3
"""Readings whose R^2 differ by less fit equally well; the one with fewer parameters is better."""


def _prepare(context: RunContext) -> None:
    for frame in coset_frames(context):
        _ = readings_of(frame.group), context.bases[frame]


@over_checkpoints(
    family="subgroups",
    version=1,
    applies_to=has_cosets,
    steps=spread_steps(CHECKPOINTS),
    prepare=_prepare,
)
def readings(checkpoint: Checkpoint) -> pd.DataFrame:
    """Held-out R^2 of the irrep and of the coset reading of every neuron, at up to 11 checkpoints of a run.

    For the tasks that `cosets` is for.

    Returns:
        run, task, arm, seed, step, operation, basis, group, layer, neuron, variance (over pairs), irrep and frequency
        (that fits best), irrep_parameters, irrep_r2, left_subgroup, left_side, left_index, right_subgroup, right_side,
        right_index (classes, sides and numbers of cosets of the table; the whole group, with index 1, for an operand
        that does not matter), coset_parameters, coset_r2, better (`irrep` or `coset`, the one of larger R^2, or of
        two that differ by less than 0.001 the one with fewer parameters; `neither` if both are below 0.5), note (why
        R^2 is missing; else empty).
    """
    tables = []
    for frame in coset_frames(checkpoint.context):
        basis = checkpoint.context.bases[frame]
        for layer in checkpoint.context.neuron_layers:
            x = checkpoint.activations(frame.operation, f"blocks.{layer}.mlp.hook_post")
            table = reading_table(frame.group, basis.on_grid(x))
            keys = {**frame.keys, "layer": layer}
            tables.append(table.assign(**keys)[[*keys, *table.columns]])
    return pd.concat(tables, ignore_index=True)


def reading_table(group: FiniteGroup, x: Float[Tensor, "a b neuron"]) -> pd.DataFrame:
    """One row per neuron, from activations at all pairs of group elements; columns as `readings`."""
    fit, by_irrep, by_cosets = readings_of(group)
    mask = torch.from_numpy(fit).flatten()
    flat = rearrange(x, "a b neuron -> (a b) neuron")
    scale = flat.square().sum(0).double()
    flat = flat - flat[mask].mean(0)
    held_out = flat[~mask]
    irrep = by_irrep.fit(flat[mask])
    coset = by_cosets.fit(rearrange(flat, "(a b) neuron -> a b neuron", a=group.order), irrep.parameters)
    total = (held_out - held_out.mean(0)).square().sum(0).double()
    variance = (flat - flat.mean(0)).square().mean(0).double()
    rounding = 1e3 * torch.finfo(x.dtype).eps ** 2 * scale
    constant = (variance * len(flat) <= rounding).numpy()
    unknown = (total <= rounding).numpy()
    r2 = {
        name: np.where(unknown, np.nan, 1.0 - (_squares(held_out, fitted.predicted) / total).numpy())
        for name, fitted in (("irrep", irrep), ("coset", coset))
    }
    note = np.where(constant, "constant", np.where(unknown, "does not vary over the held-out pairs", ""))
    return pd.DataFrame(
        {
            "neuron": np.arange(flat.shape[1]),
            "variance": np.where(constant, 0.0, variance.numpy()),
            **irrep_columns(group, [None if c else int(i) for i, c in zip(irrep.irrep, constant, strict=True)]),
            "irrep_parameters": irrep.parameters,
            "irrep_r2": r2["irrep"],
            **_subgroup_columns(group, "left", coset.left),
            **_subgroup_columns(group, "right", coset.right),
            "coset_parameters": coset.parameters,
            "coset_r2": r2["coset"],
            "better": pd.array(_better(r2, irrep.parameters, coset.parameters), dtype="string"),
            "note": pd.array(note, dtype="string"),
        }
    )


@lru_cache(maxsize=4)
def readings_of(group: FiniteGroup) -> tuple[Bool[np.ndarray, "a b"], IrrepReading, CosetReading]:
    """The pairs to fit on, and both readings of them."""
    pairs = group.order**2
    fit = np.zeros(pairs, dtype=bool)
    fit[np.random.default_rng(0).permutation(pairs)[: pairs // 2]] = True
    fit = fit.reshape(group.order, group.order)
    return fit, IrrepReading(group, fit), CosetReading(coset_partitions(group), fit)


def _squares(x: Float[Tensor, "pair unit"], predicted: Float[Tensor, "pair unit"]) -> Float[Tensor, "unit"]:
    return (x - predicted).square().sum(0).double()


def _better(r2: dict[str, np.ndarray], irrep_parameters: np.ndarray, coset_parameters: np.ndarray) -> np.ndarray:
    ahead = r2["coset"] - r2["irrep"]
    coset = (ahead >= TIES) | ((ahead > -TIES) & (coset_parameters < irrep_parameters))
    fits = np.fmax(r2["coset"], r2["irrep"]) >= FITS  # False for NaN
    return np.where(fits, np.where(coset, "coset", "irrep"), "neither")


def _subgroup_columns(group: FiniteGroup, operand: str, which: np.ndarray) -> dict[str, object]:
    partitions = coset_partitions(group)
    whole = subgroup_classes(group)[-1]
    chosen = [None if w == WHOLE else partitions.partitions[w] for w in which.tolist()]
    names = [whole.name if p is None else p.subgroup.name for p in chosen]
    return {
        f"{operand}_subgroup": pd.array(names, dtype="string"),
        f"{operand}_side": pd.array(["both" if p is None else p.side for p in chosen], dtype="string"),
        f"{operand}_index": [1 if p is None else p.subgroup.index for p in chosen],
    }
