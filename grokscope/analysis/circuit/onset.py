"""When a circuit appears, against when the network groks: onsets between two checkpoints, and their lead.

An onset is known up to the spacing of checkpoints: it happened after step `after` and by step `by`. Its lead is the
grok step less the onset, positive where it came first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from grokscope.analysis.checkpoint.frames import has_group
from grokscope.analysis.circuit.keys import keys
from grokscope.analysis.circuit.restricted import restricted_loss
from grokscope.analysis.tables import select
from grokscope.analysis.tables.declared import analysis

if TYPE_CHECKING:
    from grokscope.runs import Run

THRESHOLDS = {"full_loss": (3.0, 1.0, 0.1), "restricted_loss": (3.0, 1.0, 0.1), "restricted_accuracy": (0.95,)}
"""Losses (nats) that are fallen below, and the accuracy that is exceeded. They are the same for every run: the least
loss that a run reaches differs from run to run."""


@analysis(
    family="fourier",
    needs=("keys", "restricted_loss"),
    applies_to=has_group,
    reads=("checkpoints", "metrics"),
    keep=False,
)
def onset(run: Run) -> pd.DataFrame:
    """The onset of every key irrep of the final checkpoint, and of losses and accuracy passing fixed levels.

    quantity:
        power                 the irrep's power in the embedding exceeds its null, from then on
        full_loss             the network's own loss is below the threshold for the first time: 3, 1 and 0.1 nats
        restricted_loss       the same of the loss restricted to every function of the answer (set `answer`)
        restricted_accuracy   the accuracy of the network restricted to them exceeds 0.95 for the first time

    Returns:
        run, task, arm, seed, operation, group, quantity, level, split, threshold (nats, or the accuracy), irrep and
        frequency (of `power`), after and by
        (steps; <NA> where it never happened or, for `after`, was so at the first checkpoint), grok_step, lead_least
        and lead_most (steps; <NA> without grok or onset), note (why something is missing; else empty).

    Made of the kept tables `keys` and `restricted_loss`.
    """
    onsets = pd.DataFrame([*_of_power(keys(run)), *_of_losses(restricted_loss(run))])
    grok = run.grok_step
    steps = {name: pd.array(onsets.pop(name), dtype="Int64") for name in ("after", "by")}
    table = onsets.assign(**steps, grok_step=pd.array([grok] * len(onsets), dtype="Int64"))
    table["lead_least"] = table["grok_step"] - table["by"]
    table["lead_most"] = table["grok_step"] - table["after"]
    for column in ("level", "split", "irrep"):
        table[column] = table[column].astype("string")
    table["frequency"] = table["frequency"].astype("Int64")
    note = table.pop("note")
    missing = "the run has not grokked" if run.milestones.grok_by is None else f"the run {run.milestones.grok_words}"
    table["note"] = note if grok is not None else (note + f"; {missing}").str.removeprefix("; ")
    return table


def held_from(steps: Sequence[int], holds: Bool[np.ndarray, " checkpoint"]) -> tuple[int | None, int | None]:
    """(after, by): the checkpoints between which something became so for good.

    `by` is the first checkpoint from which it holds at all later ones, `after` the one before it. None for `by`
    where it does not hold at the last checkpoint, and for `after` where it holds from the first.
    """
    failing = np.flatnonzero(~holds)
    first = 0 if not len(failing) else int(failing[-1]) + 1
    by = steps[first] if first < len(steps) else None
    return (steps[first - 1] if first > 0 and by is not None else None), by


def first_beyond(
    steps: Sequence[int], values: Float[np.ndarray, " checkpoint"], threshold: float, *, below: bool
) -> tuple[int | None, int | None]:
    """(after, by): the checkpoints between which a series first got below a threshold (or above it).

    The first time, and not for good, for losses spike late. None for `by` where it never does, and for `after` where it
    is so at the first checkpoint.
    """
    beyond = values < threshold if below else values > threshold
    if not beyond.any():
        return None, None
    at = int(np.argmax(beyond))
    return (steps[at - 1] if at > 0 else None), steps[at]


def _of_power(table: pd.DataFrame) -> Iterator[dict[str, object]]:
    chosen = select.where(table, basis="own", site="embed", hindsight=True)
    for key, rows in chosen.groupby(["operation", "group", "irrep"], sort=False):
        operation, group, irrep = cast("tuple[str, str, str]", key)
        after, by = held_from(rows["step"].tolist(), rows["key"].to_numpy(dtype=bool))
        yield {
            "operation": operation,
            "group": group,
            "quantity": "power",
            "level": None,
            "split": None,
            "threshold": np.nan,
            "irrep": irrep,
            "frequency": rows["frequency"].iloc[0],
            "after": after,
            "by": by,
            "note": "",
        }


def _of_losses(table: pd.DataFrame) -> Iterator[dict[str, object]]:
    chosen = select.where(table, basis="own", set="answer")
    for key, rows in chosen.groupby(["operation", "group", "level", "split"], sort=False):
        operation, group, level, split = cast("tuple[str, str, str, str]", key)
        for quantity, thresholds in THRESHOLDS.items():
            below = quantity.endswith("loss")
            for threshold in thresholds:
                values = select.numbers(rows, quantity)
                after, by = first_beyond(rows["step"].tolist(), values, threshold, below=below)
                never = f"it is never {'below' if below else 'above'} {threshold:g}"
                yield {
                    "operation": operation,
                    "group": group,
                    "quantity": quantity,
                    "level": level,
                    "split": split,
                    "threshold": threshold,
                    "irrep": None,
                    "frequency": None,
                    "after": after,
                    "by": by,
                    "note": never if by is None else "",
                }
