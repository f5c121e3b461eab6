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

LEAST_FALL = 0.1
"""A loss that falls by less than this share of its first value has not fallen."""


@analysis(
    family="fourier",
    needs=("keys", "restricted_loss"),
    applies_to=has_group,
    reads=("checkpoints", "metrics"),
    keep=False,
)
def onset(run: Run) -> pd.DataFrame:
    """The onset of every key irrep of the final checkpoint, and of the fall of the losses.

    quantity:
        power              the irrep's power in the embedding exceeds its null, from then on
        restricted_loss    the loss restricted to the hindsight key set is, for the first time, nearer to its lowest
                           value of the run than to its value at the first checkpoint
        full_loss          likewise the network's own loss on the same pairs, for comparison

    Returns:
        run, task, arm, seed, operation, group, quantity, level, split, irrep and frequency (of `power`), after and by
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
    table["note"] = note if grok is not None else (note + "; the run has not grokked").str.removeprefix("; ")
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


def half_fallen(steps: Sequence[int], values: Float[np.ndarray, " checkpoint"]) -> tuple[int | None, int | None]:
    """(after, by): the checkpoints between which a series first got nearer to its lowest value than to its first.

    The lowest and not the last, and not for good, for losses spike late. None, None where it never falls by a tenth of
    its first value.
    """
    if values.min() > (1 - LEAST_FALL) * values[0] or values.min() == values[0]:
        return None, None
    fallen = int(np.argmax(values < (values[0] + values.min()) / 2))
    return steps[fallen - 1], steps[fallen]


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
            "irrep": irrep,
            "frequency": rows["frequency"].iloc[0],
            "after": after,
            "by": by,
            "note": "",
        }


def _of_losses(table: pd.DataFrame) -> Iterator[dict[str, object]]:
    chosen = select.where(table, basis="own", set="hindsight")
    for key, rows in chosen.groupby(["operation", "group", "level", "split"], sort=False):
        operation, group, level, split = cast("tuple[str, str, str, str]", key)
        for quantity in ("restricted_loss", "full_loss"):
            values = rows[quantity].to_numpy(dtype=np.float64)
            after, by = half_fallen(rows["step"].tolist(), values)
            note = "" if by is not None else "it never falls by a tenth of its first value"
            if quantity == "restricted_loss" and int(rows["n_irreps"].iloc[0]) == 0:
                note = "the final checkpoint has no key irreps"
            yield {
                "operation": operation,
                "group": group,
                "quantity": quantity,
                "level": level,
                "split": split,
                "irrep": None,
                "frequency": None,
                "after": after,
                "by": by,
                "note": note,
            }
