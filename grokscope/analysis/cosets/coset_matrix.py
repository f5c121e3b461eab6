"""Every neuron against every class of subgroups: how nearly constant it is on their cosets."""

from __future__ import annotations

import numpy as np
import pandas as pd

from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.marginals import Marginal, marginals
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints
from grokscope.analysis.cosets.cosets import CONSTANT
from grokscope.analysis.cosets.partitions import CosetPartitions, coset_frames, coset_partitions, prepare_cosets


@over_checkpoints(version=1, steps=lambda steps: list(steps[-1:]), prepare=prepare_cosets)
def coset_matrix(checkpoint: Checkpoint) -> pd.DataFrame:
    """The smallest coset concentration over each class of subgroups and both sides, at a run's last checkpoint.

    For the tasks that `cosets` is for, which defines concentration and score.

    Returns:
        run, task, arm, seed, step, operation, basis, group, layer, operand, neuron, subgroup (class), order, index,
        concentration (the smallest over the conjugates of the class and both sides), score (that goes with it), note
        (of a neuron that does not vary with this operand, whose concentration and score are NaN; else empty).
    """
    tables = []
    for frame in coset_frames(checkpoint.scope):
        partitions = coset_partitions(frame.group)
        for layer in checkpoint.scope.layers:
            for operand, marginal in marginals(checkpoint, frame, layer).items():
                table = _table(partitions, marginal)
                keys = {**frame.keys, "layer": layer, "operand": operand}
                tables.append(table.assign(**keys)[[*keys, *table.columns]])
    return pd.concat(tables, ignore_index=True)


def _table(partitions: CosetPartitions, marginal: Marginal) -> pd.DataFrame:
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
            "subgroup": pd.array([found.name for found in classes] * len(varies), dtype="string"),
            "order": np.tile([found.order for found in classes], len(varies)),
            "index": np.tile([found.index for found in classes], len(varies)),
            "concentration": (1.0 - share).T.ravel(),
            "score": score.T.ravel(),
            "note": pd.array(np.repeat(np.where(varies, "", CONSTANT), len(classes)), dtype="string"),
        }
    )
