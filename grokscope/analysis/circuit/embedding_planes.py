"""The embedding over training, seen along the key frequencies that the network ends with.

`circles` has the last checkpoint alone, and there each plane is that of its own checkpoint. Over
training the plane has to stand still for points to be seen moving, and it must not be fitted to what it shows: in 128
dimensions there is for any frequency a plane in which an untrained embedding looks like a ring with noise.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.columns import irrep_columns
from grokscope.analysis.checkpoint.frames import Frame
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints
from grokscope.groups import FiniteGroup

PLANES = 2
"""Planes for each group."""
COLUMNS = ("step", "operation", "basis", "group", "irrep", "frequency", "element", "label", "x", "y")


@over_checkpoints(version=1)
def embedding_planes(checkpoint: Checkpoint) -> pd.DataFrame:
    """Every checkpoint's embedding on the planes of the final one's two strongest key frequencies.

        (x, y) = (T - mean T) V,    V the first two right singular vectors of B^T T_final

    with T the left operand's embedding by element and B the basis functions of the frequency. At the last checkpoint
    these are the points of `circles`.

    Returns:
        run, task, arm, seed, step, operation, basis (`own`), group, irrep, frequency, element, label, x, y (in units of
        the embedding; y is 0 for a frequency of one dimension). No rows for operations without key frequencies at the
        end, nor for those whose group is not cyclic.
    """
    tables = [pd.DataFrame(columns=list(COLUMNS[1:]))]
    for frame in checkpoint.scope.own:
        if not is_cyclic(frame.group):
            continue
        final = checkpoint.scope.final.embedding(frame)
        strongest = sorted(final.keys.tolist(), key=lambda key: -final.power[key])[:PLANES]
        for irrep in strongest:
            points = centred(checkpoint, frame) @ _plane(checkpoint.scope.final, frame, irrep)
            tables.append(
                pd.DataFrame(
                    {
                        **frame.keys,
                        **irrep_columns(frame.group, [irrep] * frame.group.order),
                        "element": np.arange(frame.group.order),
                        "label": list(frame.group.labels),
                        "x": points[:, 0].numpy(),
                        "y": points[:, 1].numpy() if points.shape[1] > 1 else 0.0,
                    }
                )
            )
    return pd.concat(tables[1:] or tables, ignore_index=True)


def is_cyclic(group: FiniteGroup) -> bool:
    """Whether the irreps of a group are the frequencies 0, 1, .. n/2 of Z_n."""
    return [irrep.frequency for irrep in group.irreps] == list(range(group.order // 2 + 1))


def centred(checkpoint: Checkpoint, frame: Frame) -> Float[Tensor, "element d_model"]:
    table = torch.from_numpy(checkpoint.operand_tables(frame)[0])
    return table - table.mean(0)


def _plane(checkpoint: Checkpoint, frame: Frame, irrep: int) -> Float[Tensor, "d_model direction"]:
    basis = checkpoint.scope.bases[frame]
    functions = basis.F[:, basis.spans[irrep]]
    return torch.linalg.svd(functions.T @ centred(checkpoint, frame), full_matrices=False).Vh[:2].T
