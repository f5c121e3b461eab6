"""Cosets: is a neuron's dependence on an operand constant on the cosets of a subgroup?

With f the mean of a neuron's activation over the other operand, a function on the group, and a partition of
the group into the cosets of a subgroup H, left (gH) or right (Hg), the coset concentration is

    C(H, side) = sum_cosets (|coset| / n) var(f on the coset) / var(f)                      in [0, 1]

0 where f is constant on the cosets. Small subgroups have small C whatever f is, (n - k)/(n - 1) on average for k
cosets; so subgroups are compared by the score of `coset_null`, and the best one is put to the test there.
Source: Stander, Yu, Fan, Biderman 2024, "Grokking Group Multiplication with Cosets" (ICML), whose coset circuits are
neurons constant on the cosets of H in one operand and of a conjugate of H in the other. The score and the null are
ours.

`cosets` says the best subgroup of each neuron, `coset_matrix` how every neuron fares with every class of subgroups, and
`coset_summary` how many neurons each class explains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Int

from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext
from grokscope.analysis.checkpoint.marginals import Marginal, marginals
from grokscope.analysis.checkpoint.over_checkpoints import last_step, over_checkpoints
from grokscope.analysis.cosets.coset_null import draws_for, is_above, threshold
from grokscope.analysis.cosets.irrep_null import best_scores, irrep_thresholds, own_irreps
from grokscope.analysis.cosets.partitions import (
    CosetPartitions,
    coset_frames,
    coset_partitions,
    has_cosets,
    prepare_cosets,
)
from grokscope.analysis.tables.declared import analysis

if TYPE_CHECKING:
    from grokscope.runs import Run

CONCENTRATION = 0.15
"""A subgroup explains a neuron where at most this share of the variance lies within its cosets: as in a cluster of
`neurons`, 0.85 is between them."""
CONSTANT = "does not vary with this operand"
OPERANDS = ("left", "right", "either")
KEYS = ["step", "operation", "layer"]


@over_checkpoints(family="subgroups", version=2, applies_to=has_cosets, prepare=prepare_cosets)
def cosets(checkpoint: Checkpoint) -> pd.DataFrame:
    """The best subgroup of each neuron and operand, and whether it is better than random partitions of its sizes.

    Only for tasks whose group has at most 120 elements and a proper, non-trivial subgroup; in the task's own basis.

    Returns:
        run, task, arm, seed, step, operation, basis, group, layer, neuron, operand (`left`, `right`), neuron_variance
        (over pairs), variance (of the mean over the other operand), share_of_variance (the latter in the former),
        subgroup (class of the best one), member (which of its conjugates), side (of the cosets: `left` gH, `right` Hg,
        `both` for a normal subgroup), order, index (number of cosets), concentration, score, threshold (the 99th
        percentile under random relabellings, over the neurons of this layer and operand), significant (score >
        threshold), explains (significant, and concentration <= 0.15), irrep (with the largest share of the mean's
        variance), irrep_share, irrep_threshold (the 99th percentile of the score for random functions of that irrep),
        beyond_irrep (score > irrep_threshold: more constant on cosets than its irrep alone makes it), note (of a
        neuron that does not vary with this operand, whose subgroup and irrep are <NA>; else empty).

    Raises ValueError for a task without such a group.
    """
    tables = []
    for frame in coset_frames(checkpoint.context):
        partitions = coset_partitions(frame.group)
        for layer in checkpoint.context.neuron_layers:
            for operand, marginal in marginals(checkpoint, frame, layer).items():
                table = coset_table(partitions, marginal)
                keys = {**frame.keys, "layer": layer, "neuron": table.pop("neuron"), "operand": operand}
                tables.append(table.assign(**keys)[[*keys, *table.columns]])
    return pd.concat(tables, ignore_index=True)


@over_checkpoints(family="subgroups", version=1, applies_to=has_cosets, steps=last_step, prepare=prepare_cosets)
def coset_matrix(checkpoint: Checkpoint) -> pd.DataFrame:
    """The smallest coset concentration over each class of subgroups and both sides, at a run's last checkpoint.

    For the tasks that `cosets` is for, which defines concentration and score.

    Returns:
        run, task, arm, seed, step, operation, basis, group, layer, operand, neuron, subgroup (class), order, index,
        concentration (the smallest over the conjugates of the class and both sides), score (that goes with it), note
        (of a neuron that does not vary with this operand, whose concentration and score are NaN; else empty).
    """
    tables = []
    for frame in coset_frames(checkpoint.context):
        partitions = coset_partitions(frame.group)
        for layer in checkpoint.context.neuron_layers:
            for operand, marginal in marginals(checkpoint, frame, layer).items():
                table = _matrix(partitions, marginal)
                keys = {**frame.keys, "layer": layer, "operand": operand}
                tables.append(table.assign(**keys)[[*keys, *table.columns]])
    return pd.concat(tables, ignore_index=True)


@analysis(family="subgroups", needs=("cosets",), applies_to=has_cosets, keep=False)
def coset_summary(run: Run) -> pd.DataFrame:
    """Neurons that each class of subgroups explains, at every checkpoint; made of the kept table `cosets`.

    Returns:
        run, task, arm, seed, step, operation, basis, group, layer, operand (`left`, `right`, or `either`: a neuron
        that the class explains in one operand or in both counts once), subgroup (class; `any`: all together), order and
        index (<NA> for `any`), n_explained, n_beyond_irrep (of those, how many are more constant on cosets than random
        functions of their own irrep, in an operand that the class explains), share_of_variance (of the n_explained,
        over pairs, in the layer's), n_neurons (of the layer).
    """
    table = cosets(run)
    whole = _sums(table.drop_duplicates([*KEYS, "neuron"]), KEYS)
    explained = table.loc[table["explains"]]
    explained = pd.concat([explained, explained.assign(operand="either")], ignore_index=True)
    explained = pd.concat([explained, explained.assign(subgroup="any")], ignore_index=True)
    # Of a neuron's two operands under `either`, the one that is beyond its irrep's null.
    explained = explained.sort_values("beyond_irrep", ascending=False, kind="stable")
    once = explained.drop_duplicates([*KEYS, "neuron", "operand", "subgroup"])
    explained_sums = _sums(once, [*KEYS, "operand", "subgroup"])
    parts = [_counts(run, operation, explained_sums, whole) for operation in dict.fromkeys(table["operation"])]
    return pd.concat(parts, ignore_index=True)


def coset_table(partitions: CosetPartitions, marginal: Marginal) -> pd.DataFrame:
    """One row per neuron, for one operand; columns as `cosets`."""
    varies = marginal.varies.numpy()
    which = np.full(len(varies), -1)
    concentration, score = np.full(len(varies), np.nan), np.full(len(varies), np.nan)
    own, share, of_irrep = np.full(len(varies), -1), np.full(len(varies), np.nan), np.full(len(varies), np.nan)
    limit = np.nan
    if varies.any():
        f = marginal.f[:, marginal.varies]
        best, between, best_score = best_scores(partitions, f)
        which[varies] = best.numpy()
        concentration[varies] = 1.0 - between.numpy()
        score[varies] = best_score.numpy()
        limit = threshold(partitions, f.float(), draws_for(len(varies)))
        own[varies], share[varies] = own_irreps(partitions, f)
        of_irrep[varies] = irrep_thresholds(partitions, own[varies])
    significant = is_above(score, limit)
    whole = marginal.neuron_variance.numpy()
    return pd.DataFrame(
        {
            "neuron": np.arange(len(varies)),
            "neuron_variance": whole,
            "variance": marginal.variance.numpy(),
            "share_of_variance": marginal.variance.numpy() / np.where(whole > 0, whole, np.inf),
            **_partition_columns(partitions, which),
            "concentration": concentration,
            "score": score,
            "threshold": limit,
            "significant": significant,
            "explains": significant & (concentration <= CONCENTRATION),
            "irrep": pd.array([partitions.group.irreps[i].name if i >= 0 else None for i in own], dtype="string"),
            "irrep_share": share,
            "irrep_threshold": of_irrep,
            "beyond_irrep": is_above(score, of_irrep),
            "note": pd.array(np.where(varies, "", CONSTANT), dtype="string"),
        }
    )


def _partition_columns(partitions: CosetPartitions, which: Int[np.ndarray, " row"]) -> dict[str, object]:
    """Columns of partitions by number; <NA> for -1."""
    chosen = [partitions.partitions[w] if w >= 0 else None for w in which.tolist()]
    return {
        "subgroup": pd.array([None if p is None else p.subgroup.name for p in chosen], dtype="string"),
        "member": pd.array([None if p is None else p.member for p in chosen], dtype="Int64"),
        "side": pd.array([None if p is None else p.side for p in chosen], dtype="string"),
        "order": pd.array([None if p is None else p.subgroup.order for p in chosen], dtype="Int64"),
        "index": pd.array([None if p is None else p.subgroup.index for p in chosen], dtype="Int64"),
    }


def _matrix(partitions: CosetPartitions, marginal: Marginal) -> pd.DataFrame:
    classes, varies = partitions.classes, marginal.varies.numpy()
    share, score = np.full((len(classes), len(varies)), np.nan), np.full((len(classes), len(varies)), np.nan)
    if varies.any():
        between = partitions.between(marginal.f[:, marginal.varies])
        scores = partitions.scores(between)
        for c in range(len(classes)):
            # One class has one number of cosets: the largest share has the largest score.
            of_class = partitions.class_of == c
            share[c, varies] = between[of_class].amax(0).numpy()
            score[c, varies] = scores[of_class].amax(0).numpy()
    return pd.DataFrame(
        {
            "neuron": np.repeat(np.arange(len(varies)), len(classes)),
            "subgroup": pd.array([one.name for one in classes] * len(varies), dtype="string"),
            "order": np.tile([one.order for one in classes], len(varies)),
            "index": np.tile([one.index for one in classes], len(varies)),
            "concentration": (1.0 - share).T.ravel(),
            "score": score.T.ravel(),
            "note": pd.array(np.repeat(np.where(varies, "", CONSTANT), len(classes)), dtype="string"),
        }
    )


def _sums(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The neurons' variance, how many there are, and how many of them are beyond their irrep's null."""
    groups = rows.groupby(keys)
    return pd.DataFrame(groups["neuron_variance"].agg(["sum", "size"])).assign(beyond=groups["beyond_irrep"].sum())


def _counts(run: Run, operation: str, counted: pd.DataFrame, whole: pd.DataFrame) -> pd.DataFrame:
    """Every class at every checkpoint, 0 where it explains nothing."""
    frame = next(frame for frame in coset_frames(RunContext(run)) if frame.operation == operation)
    classes = {one.name: one for one in coset_partitions(frame.group).classes}
    at = whole.xs(operation, level="operation", drop_level=False).index
    index = pd.MultiIndex.from_tuples(
        [(*key, operand, name) for key in at for operand in OPERANDS for name in (*classes, "any")],
        names=[*KEYS, "operand", "subgroup"],
    )
    explained = counted.reindex(index, fill_value=0)
    layer = whole.reindex(index.droplevel(["operand", "subgroup"]))
    names = index.get_level_values("subgroup")
    variance = layer["sum"].to_numpy()
    return pd.DataFrame(
        {
            "step": index.get_level_values("step"),
            **frame.keys,
            "layer": index.get_level_values("layer"),
            "operand": pd.array(index.get_level_values("operand"), dtype="string"),
            "subgroup": pd.array(names, dtype="string"),
            "order": pd.array([classes[x].order if x in classes else None for x in names], dtype="Int64"),
            "index": pd.array([classes[x].index if x in classes else None for x in names], dtype="Int64"),
            "n_explained": explained["size"].to_numpy(dtype=int),
            "n_beyond_irrep": explained["beyond"].to_numpy(dtype=int),
            "share_of_variance": explained["sum"].to_numpy() / np.where(variance > 0, variance, np.inf),
            "n_neurons": layer["size"].to_numpy(dtype=int),
        }
    )
