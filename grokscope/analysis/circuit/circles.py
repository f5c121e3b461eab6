"""Where each number lies in the embedding, seen along one frequency: the circle that it is on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.columns import irrep_columns
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints

COLUMNS = ("operation", "basis", "group", "irrep", "frequency", "element", "label", "x", "y", "power")


def last_step(steps: Sequence[int]) -> list[int]:
    return list(steps[-1:])


@over_checkpoints(version=2, steps=last_step)
def circles(checkpoint: Checkpoint) -> pd.DataFrame:
    """The final embedding projected on the plane of each key irrep, and, in the wrong basis, of the strongest ones.

    The plane of rho is spanned by the two directions of the embedding space in which the embedding varies most
    through rho: the first right singular vectors of B^T T, B the basis functions of rho and T the centred embedding
    by element. For a frequency of Z_n these are all the directions there are, and numbers that are placed by it
    alone lie on an ellipse, in the order of k times the element. The control are as many irreps of the wrong basis as
    the own one has keys, those of largest power (`Scope.matched`): a plane can be found for any of them, but numbers
    lie on no circle in it.

    Returns:
        run, task, arm, seed, step, operation, basis, group, irrep, frequency, element, label (what the element is
        called), x, y (the whole embedding on the two directions, in units of the embedding; y is 0 for an irrep of
        one dimension), power (of the irrep). No rows for operations without key irreps in their own basis.
    """
    tables = [pd.DataFrame(columns=list(COLUMNS))]
    scope = checkpoint.scope
    for frame in scope.frames:
        basis, tested = scope.bases[frame], checkpoint.embedding(frame)
        table = torch.from_numpy(checkpoint.operand_tables(frame)[0])
        table = table - table.mean(0)
        for irrep in (tested.keys if frame.basis == "own" else scope.matched[frame]).tolist():
            _, _, directions = torch.linalg.svd(basis.F[:, basis.spans[irrep]].T @ table, full_matrices=False)
            points = (table @ directions[:2].T).numpy()
            tables.append(
                pd.DataFrame(
                    {
                        **frame.keys,
                        **irrep_columns(frame.group, [irrep] * basis.n),
                        "element": np.arange(basis.n),
                        "label": list(frame.group.labels),
                        "x": points[:, 0],
                        "y": points[:, 1] if points.shape[1] > 1 else 0.0,
                        "power": tested.power[irrep],
                    }
                )
            )
    return pd.concat(tables[1:] or tables, ignore_index=True)
