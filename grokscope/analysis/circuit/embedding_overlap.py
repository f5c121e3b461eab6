"""Do addition and multiplication share directions of one embedding? Principal angles between their subspaces.

A network trained on several operations embeds each number once. Its embedding T `[token, d_model]` is fitted by the
basis functions B of the key irreps of both groups together,

    T = constant + B_1 W_1 + B_2 W_2 + rest                                                    (least squares)

(together, because functions of x and of log x are not quite orthogonal over the residues), and the subspace of a
group is what the rows of its W span. Two subspaces of dimensions k and l have min(k, l) principal angles, cos theta_i
the singular values of Q_1^T Q_2; two random ones in d dimensions have mean cos^2 = max(k, l) / d.
Source: Björck and Golub 1973 (principal angles).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.frames import Frame, has_several_groups
from grokscope.analysis.checkpoint.memory import no_pairs
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints


@over_checkpoints(family="fourier", version=1, applies_to=has_several_groups, memory=no_pairs)
def embedding_overlap(checkpoint: Checkpoint) -> pd.DataFrame:
    """Principal angles between the key subspaces of every two groups that a mixed task computes in.

    Returns:
        run, task, arm, seed, step, group, other_group, set (`key`: of this checkpoint; `hindsight`: of the final
        one), dimension, other_dimension, angle (1, 2, ... from the smallest), cosine, degrees, mean_square (of the
        cosines), random_mean_square (expected of random subspaces of these dimensions). No rows while either
        group has no key irreps.

    Raises ValueError for a task whose operations all live in one group.
    """
    by_group = {frame.group.name: frame for frame in checkpoint.context.own}
    if len(by_group) < 2:
        raise ValueError(
            f"task {checkpoint.context.task.name!r} computes in one group, {', '.join(by_group)}: an overlap needs "
            "a mixed task with additive and multiplicative operations"
        )
    d_model = checkpoint.context.config.d_model
    rows = []
    for one, other in combinations(by_group.values(), 2):
        for name, keys in (
            ("key", [checkpoint.embedding_test(frame).keys for frame in (one, other)]),
            ("hindsight", [checkpoint.context.hindsight[frame] for frame in (one, other)]),
        ):
            q = _subspaces(checkpoint, (one, other), keys)
            cosines = torch.linalg.svdvals(q[0].T @ q[1]).clamp(max=1.0).numpy()
            sizes = (q[0].shape[1], q[1].shape[1])
            for angle, cosine in enumerate(cosines, start=1):
                rows.append(
                    {
                        "group": one.group.name,
                        "other_group": other.group.name,
                        "set": name,
                        "dimension": sizes[0],
                        "other_dimension": sizes[1],
                        "angle": angle,
                        "cosine": float(cosine),
                        "degrees": float(np.degrees(np.arccos(cosine))),
                        "mean_square": float((cosines**2).mean()),
                        "random_mean_square": max(sizes) / d_model,
                    }
                )
    return pd.DataFrame(rows, columns=list(COLUMNS))


COLUMNS = (
    "group",
    "other_group",
    "set",
    "dimension",
    "other_dimension",
    "angle",
    "cosine",
    "degrees",
    "mean_square",
    "random_mean_square",
)


def _subspaces(
    checkpoint: Checkpoint, frames: tuple[Frame, Frame], keys: Sequence[Int[np.ndarray, " key"]]
) -> list[Float[Tensor, "d_model dimension"]]:
    """For each frame, orthonormal directions in which the embedding varies through its irreps."""
    tokens = np.union1d(frames[0].left, frames[1].left)
    table = checkpoint.weights["embed.W_E"].double()[torch.from_numpy(tokens)]
    designs, columns = [torch.ones((len(tokens), 1), dtype=torch.float64)], [1]
    for frame, irreps in zip(frames, keys, strict=True):
        basis = checkpoint.context.bases[frame]
        functions = torch.cat([basis.F[:, basis.spans[irrep]] for irrep in irreps] or [basis.F[:, :0]], dim=1)
        design = torch.zeros((len(tokens), functions.shape[1]), dtype=torch.float64)
        design[torch.from_numpy(np.searchsorted(tokens, frame.left))] = functions
        designs.append(design)
        columns.append(design.shape[1])
        outside = np.setdiff1d(tokens, frame.left)
        # A token that is no element (0) has a row of its own, so that it bends no direction.
        designs.append(torch.from_numpy((tokens[:, None] == outside[None, :]).astype(np.float64)))
        columns.append(len(outside))
    # Both sets may span more functions than there are tokens; pinv then takes the smallest directions.
    fitted = (torch.linalg.pinv(torch.cat(designs, dim=1)) @ table).split(columns)
    subspaces = []
    for directions in (fitted[1], fitted[3]):
        _, singular, right = torch.linalg.svd(directions, full_matrices=False)
        subspaces.append(
            right[singular > 1e-9 * singular.max()].T if len(singular) else table.new_zeros((table.shape[1], 0))
        )
    return subspaces
