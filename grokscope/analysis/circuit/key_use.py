"""Which irreps of the embedding the network uses, and which are there for nothing.

A network that reads k = 16, 30 and 56 mod 113 may hold k = 1 in its embedding as well, for 2 * 56 = -1: a ReLU makes
second harmonics, and gradients write them back. It is a key by its power, and the network answers as well without it.
So for every irrep that stands out of the embedding this table says what the network loses without it, against losing
as much power of random functions in random directions (`checkpoint.removal`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.columns import irrep_columns
from grokscope.analysis.checkpoint.frames import has_group
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints, spread_steps

CHECKPOINTS = 11
COLUMNS = (
    "operation",
    "basis",
    "group",
    "irrep",
    "frequency",
    "power",
    "excess",
    "round",
    "key",
    "hindsight",
    "full_loss",
    "loss",
    "control_loss",
    "control_most",
    "used",
)


@over_checkpoints(family="fourier", version=1, applies_to=has_group, steps=spread_steps(CHECKPOINTS))
def key_use(checkpoint: Checkpoint) -> pd.DataFrame:
    """What the network loses without each irrep that stands out of its embedding, at up to 11 checkpoints of a run.

    In the task's own basis. The irreps of a checkpoint are those that its step-down test found, weak ones with an
    excess of at least 0.01 (`checkpoint.step_down`), and the key set of the final checkpoint. So a weak irrep that is
    no key because the network does not use it has a row here.

    Returns:
        run, task, arm, seed, step, operation, basis, group, irrep, frequency, power, excess, round (of the test that
        found the irrep; 0 where none did), key, hindsight, full_loss, loss (without the irrep), control_loss and
        control_most (mean and largest with as much power of random functions removed instead, of 5 draws), used (loss
        is larger than full_loss and control_most). Losses are mean cross-entropies in nats over up to 256 examples of
        train and val together, the same for all rows of a run and operation.
    """
    tables = []
    for frame in checkpoint.context.own:
        tested, hindsight = checkpoint.embedding_test(frame), checkpoint.context.hindsight[frame]
        irreps = np.union1d(np.union1d(tested.strong, tested.weak), hindsight)
        removal = checkpoint.context.removals[frame]
        losses = [removal.losses(checkpoint.weights, irrep) for irrep in irreps.tolist()]
        table = pd.DataFrame(
            {
                **irrep_columns(frame.group, irreps.tolist()),
                "power": tested.power[irreps],
                "excess": tested.excess[irreps],
                "round": tested.round[irreps],
                "key": np.isin(irreps, tested.keys),
                "hindsight": np.isin(irreps, hindsight),
                "full_loss": np.array([each.full for each in losses], dtype=np.float64),
                "loss": np.array([each.without for each in losses], dtype=np.float64),
                "control_loss": np.array([np.mean(each.controls) for each in losses], dtype=np.float64),
                "control_most": np.array([max(each.controls) for each in losses], dtype=np.float64),
                "used": np.array([each.used for each in losses], dtype=bool),
            }
        )
        tables.append(table.assign(**frame.keys)[list(COLUMNS)])
    return pd.concat(tables, ignore_index=True)
