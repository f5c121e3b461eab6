"""Cosets: is a neuron's dependence on an operand constant on the cosets of a subgroup?

With f the mean of a neuron's activation over the other operand, a function on the group, and a partition of
the group into the cosets of a subgroup H, left (gH) or right (Hg), the coset concentration is

    C(H, side) = sum_cosets (|coset| / n) var(f on the coset) / var(f)                      in [0, 1]

0 where f is constant on the cosets. Small subgroups have small C whatever f is, (n - k)/(n - 1) on average for k
cosets; so subgroups are compared by the score of `coset_null`, and the best one is put to the test there. In a network
that computes by irreps nearly every neuron passes that test, for functions of one irrep fit cosets better than random
functions do. `irrep_null` compares a neuron with random functions of its own irrep.
Source: Stander, Yu, Fan, Biderman 2024, "Grokking Group Multiplication with Cosets" (ICML), whose coset circuits are
neurons constant on the cosets of H in one operand and of a conjugate of H in the other. The score and the null are
ours.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Int

from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.marginals import Marginal, marginals
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints
from grokscope.analysis.cosets.coset_null import draws_for, is_above, threshold
from grokscope.analysis.cosets.irrep_null import best_scores, irrep_thresholds, own_irreps
from grokscope.analysis.cosets.partitions import CosetPartitions, coset_frames, coset_partitions, prepare_cosets

CONCENTRATION = 0.15
"""A subgroup explains a neuron where at most this share of the variance lies within its cosets: as in a cluster of
`neurons`, 0.85 is between them."""
CONSTANT = "does not vary with this operand"


@over_checkpoints(version=2, prepare=prepare_cosets)
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
    for frame in coset_frames(checkpoint.scope):
        partitions = coset_partitions(frame.group)
        for layer in checkpoint.scope.layers:
            for operand, marginal in marginals(checkpoint, frame, layer).items():
                table = coset_table(partitions, marginal)
                keys = {**frame.keys, "layer": layer, "neuron": table.pop("neuron"), "operand": operand}
                tables.append(table.assign(**keys)[[*keys, *table.columns]])
    return pd.concat(tables, ignore_index=True)


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
