"""What the clip itself does to signal, memory and noise: a recorded step is the optimizer's update, and then the clip.

A run records the three numbers before a step, after the update, and after norm control, where its config says so
(`probes.margins_every`). A run that did not is replayed: a branch of it with `margins_every` set trains the same steps
once more, from any of its checkpoints (`grokscope.branch`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from grokscope.analysis.tables.declared import analysis
from grokscope.analysis.tables.identity import IDENTITY
from grokscope.analysis.tables.select import numbers

if TYPE_CHECKING:
    from grokscope.runs import Run

QUANTITIES = ("signal", "memory", "noise_train", "noise_val")
KEYS = ("step", "operation", "quantity")
STAGES = ("before", "updated", "after")


def recorded_margins(run: Run) -> bool:
    """Whether signal, memory and noise were recorded while the run was trained."""
    return not run.recorded_margins.empty


@analysis(family="dynamics", applies_to=recorded_margins, reads=("probes",), keep=False)
def clip_effect(run: Run) -> pd.DataFrame:
    """How the optimizer and the clip changed signal, memory and noise, at every step that was recorded.

        optimizer = updated - before        clip = after - updated

    Returns:
        run, task, arm, seed, step (the number of updates after it), operation, quantity (`signal`, `memory`,
        `noise_train`, `noise_val`; see `grokscope.probes.margins`), before, updated, after, optimizer, clip (nats). No
        rows where nothing was recorded. Norm control other than a clip is in the column clip too.
    """
    recorded = run.recorded_margins
    if recorded.empty:
        return pd.DataFrame(columns=[*KEYS, *STAGES, "optimizer", "clip"])
    long = recorded.melt(["step", "operation", "stage"], list(QUANTITIES), "quantity", "value")
    order = long[list(KEYS)].drop_duplicates()
    wide = long.pivot(index=list(KEYS), columns="stage", values="value")[list(STAGES)].reset_index()
    wide = order.merge(wide.rename_axis(columns=None), on=list(KEYS)).sort_values("step", kind="stable")
    changes = {"optimizer": wide["updated"] - wide["before"], "clip": wide["after"] - wide["updated"]}
    return wide.assign(**changes).reset_index(drop=True)


def clip_totals(table: pd.DataFrame) -> pd.DataFrame:
    """What the optimizer and the clip changed over the whole of training.

    Arguments:
        table: of `clip_effect`.

    Where every step was recorded, optimizer + clip = change exactly, for one step begins where the last one ended.
    Where every k-th was, the two are k times the sums of those, an estimate, and change is still exact: compare them.

        clip_rate = sum of clip / sum of before,   over recorded steps

    is the share of the quantity that one step's clip adds to it (takes from it, where it is negative). A clip that
    scales all logits by one factor takes the same share of signal, memory and noise; one that removes memory more than
    signal has the more negative rate for memory.

    Returns:
        run, task, arm, seed, operation, quantity, steps (from the first to the last that was recorded, both included),
        recorded (how many of them were), optimizer, clip, change (nats), optimizer_rate, clip_rate (per step; NaN where
        the quantity is not positive on average).
    """
    rows = []
    keys = [*IDENTITY, "operation", "quantity"]
    for _, part in table.groupby(keys, sort=False, observed=True, dropna=False):
        part = part.sort_values("step")
        steps = numbers(part, "step")
        span = int(steps[-1] - steps[0]) + 1
        before = numbers(part, "before")
        sums = {name: float(numbers(part, name).sum()) for name in ("optimizer", "clip")}
        positive = before.sum() > 0
        rows.append(
            {
                **{name: part[name].iloc[0] for name in keys},
                "steps": span,
                "recorded": len(part),
                **{name: value * span / len(part) for name, value in sums.items()},
                "change": float(part["after"].iloc[-1] - part["before"].iloc[0]),
                **{f"{name}_rate": value / before.sum() if positive else np.nan for name, value in sums.items()},
            }
        )
    columns = [*keys, "steps", "recorded", "optimizer", "clip", "change"]
    return pd.DataFrame(rows, columns=[*columns, "optimizer_rate", "clip_rate"])
