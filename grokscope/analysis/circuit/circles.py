"""Where each number lies in the embedding, seen along one frequency: the circle that it is on.

The plane of an irrep rho is spanned by the two directions of the embedding space in which the embedding varies most
through rho: the first right singular vectors of B^T T, with B the basis functions of rho and T the centred embedding by
element. For a frequency of Z_n these are all the directions there are, and numbers that are placed by it alone lie on
an ellipse, in the order of k times the element: of the angle by which the frequency turns for it.

`circles` shows the last checkpoint, each irrep on its own plane there. `embedding_planes` shows every checkpoint on the
planes of the last one. Over training a plane has to stand still for points to be seen moving, and it must not be fitted
to what it shows: in 128 dimensions there is for any frequency a plane in which an untrained embedding looks like a ring
with noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.columns import irrep_columns
from grokscope.analysis.checkpoint.frames import Frame, groups_of, has_basis
from grokscope.analysis.checkpoint.memory import no_pairs
from grokscope.analysis.checkpoint.over_checkpoints import last_step, over_checkpoints
from grokscope.groups import FiniteGroup

if TYPE_CHECKING:
    from grokscope.runs import Run

PLANES = 2
"""Planes of `embedding_planes` for each group."""
COLUMNS = ("operation", "basis", "group", "irrep", "frequency", "element", "label", "turn", "x", "y")


@over_checkpoints(family="fourier", version=3, applies_to=has_basis, steps=last_step, memory=no_pairs)
def circles(checkpoint: Checkpoint) -> pd.DataFrame:
    """The final embedding projected on the plane of each key irrep, and, in the wrong basis, of the strongest ones.

    The control are as many irreps of the wrong basis as the own one has keys, those of largest power
    (`RunContext.matched`): there is a plane for any of them, but numbers lie on no circle in it.

    Returns:
        run, task, arm, seed, step, operation, basis, group, irrep, frequency, element, label (what the element is
        called), turn (how far the irrep turns for the element, in full turns from 0 up to 1; the element over their
        number where the irrep has no frequency), x, y (the whole embedding on the two directions, in units of the
        embedding; y is 0 for an irrep of one dimension), power (of the irrep). No rows for operations without key
        irreps in their own basis.
    """
    tables = [pd.DataFrame(columns=[*COLUMNS, "power"])]
    context = checkpoint.context
    for frame in context.frames:
        tested = checkpoint.embedding_test(frame)
        for irrep in (tested.keys if frame.basis == "own" else context.matched[frame]).tolist():
            points = _points(frame, irrep, centred(checkpoint, frame) @ _plane(checkpoint, frame, irrep))
            tables.append(points.assign(power=tested.power[irrep]))
    return pd.concat(tables[1:] or tables, ignore_index=True)


def has_cyclic_group(run: Run) -> bool:
    """Whether the run is read in a group whose irreps are frequencies, as those of a basis by choice are."""
    return run.basis is not None or any(map(is_cyclic, groups_of(run).values()))


@over_checkpoints(family="fourier", version=2, applies_to=has_cyclic_group, memory=no_pairs)
def embedding_planes(checkpoint: Checkpoint) -> pd.DataFrame:
    """Every checkpoint's embedding on the planes of the final one's two strongest key frequencies.

        (x, y) = (T - mean T) V,    V the first two right singular vectors of B^T T_final

    with T the left operand's embedding by element and B the basis functions of the frequency. At the last checkpoint
    these are the points of `circles`.

    Returns:
        run, task, arm, seed, step, operation, basis (`own`), group, irrep, frequency, element, label, turn (as in
        `circles`), x, y (in units of the embedding; y is 0 for a frequency of one dimension). No rows for operations
        without key frequencies at the end, nor for those whose group is not cyclic.
    """
    tables = [pd.DataFrame(columns=list(COLUMNS))]
    final = checkpoint.context.final
    for frame in filter(lambda own: is_cyclic(own.group), checkpoint.context.own):
        tested = final.embedding_test(frame)
        strongest = sorted(tested.keys.tolist(), key=lambda key: -tested.power[key])[:PLANES]
        for irrep in strongest:
            tables.append(_points(frame, irrep, centred(checkpoint, frame) @ _plane(final, frame, irrep)))
    return pd.concat(tables[1:] or tables, ignore_index=True)


def is_cyclic(group: FiniteGroup) -> bool:
    """Whether the irreps of a group are the frequencies 0, 1, .. n/2 of Z_n."""
    return [irrep.frequency for irrep in group.irreps] == list(range(group.order // 2 + 1))


def centred(checkpoint: Checkpoint, frame: Frame) -> Float[Tensor, "element d_model"]:
    """The left operand's embedding by element, less its mean over elements."""
    table = torch.from_numpy(checkpoint.operand_tables(frame)[0])
    return table - table.mean(0)


def _plane(checkpoint: Checkpoint, frame: Frame, irrep: int) -> Float[Tensor, "d_model direction"]:
    basis = checkpoint.context.bases[frame]
    functions = basis.F[:, basis.spans[irrep]]
    return torch.linalg.svd(functions.T @ centred(checkpoint, frame), full_matrices=False).Vh[:2].T


def _points(frame: Frame, irrep: int, points: Float[Tensor, "element direction"]) -> pd.DataFrame:
    n, turns = frame.group.order, frame.group.irreps[irrep].turns
    return pd.DataFrame(
        {
            **frame.keys,
            **irrep_columns(frame.group, [irrep] * n),
            "element": np.arange(n),
            "label": list(frame.group.labels),
            "turn": np.arange(n) / n if turns is None else turns,
            "x": points[:, 0].numpy(),
            "y": points[:, 1].numpy() if points.shape[1] > 1 else 0.0,
        }
    )
