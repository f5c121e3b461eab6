"""Signal, memory and noise at every checkpoint, and when each came: for every task, in a group or not.

The definitions are those of `grokscope.probes.margins`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext
from grokscope.analysis.checkpoint.memory import Footprint, all_pairs
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints
from grokscope.analysis.tables.declared import analysis
from grokscope.analysis.tables.select import numbers
from grokscope.probes.margins import margin_rows

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from grokscope.runs import Run

SIGNAL = 1.0
"""nats: a network whose signal exceeds this has begun to know the answer."""


def prepare(context: RunContext) -> None:
    """What threads share: the network, and the grids of pairs where there are such."""
    _ = context.engine, context.grids_by_operation


def memory(context: RunContext) -> Footprint:
    """The logits of all examples, whether or not they are read from a grid."""
    pairs = all_pairs(context)
    logits = context.task.n_examples * context.engine.d_vocab_out * context.item_bytes
    return Footprint(pairs.shared, pairs.each + logits)


@over_checkpoints(family="dynamics", prepare=prepare, memory=memory)
def margins(checkpoint: Checkpoint) -> pd.DataFrame:
    """How far the right answer leads because of the answer, and because the pair was trained on.

    Of the logits as the network has them, whatever the temperature of its loss.

    Returns:
        run, task, arm, seed, step, operation (the task's name, where it has no operations), train_accuracy,
        val_accuracy, and the columns of `grokscope.probes.answer_margins` in nats: signal, memory, noise_train,
        noise_val, memory_share (of the train margin), offset, train_margin, val_margin, pooled_signal,
        pooled_memory_train, pooled_memory_val, and left_out (examples). What needs to know the trained examples is NaN
        where they are not known.
    """
    return pd.DataFrame(margin_rows(checkpoint.context.task, checkpoint.context.is_train, checkpoint.example_logits))


@analysis(family="dynamics", needs=("margins",), reads=("checkpoints", "metrics"), keep=False)
def margin_onset(run: Run) -> pd.DataFrame:
    """When a network knew the answer, and when it remembered most.

    Returns:
        run, task, arm, seed, operation, signal_by (the first checkpoint whose signal exceeds 1 nat), memory_peak
        (nats) and memory_peak_step (the largest memory of all checkpoints, and the first that has it), memory_halved_by
        (the first checkpoint after it with less than half of that), grok_step, signal_lead (grok_step - signal_by).
        <NA> where it never happened, or where nothing was ever remembered.

    An onset is known up to the spacing of checkpoints. Made of the kept table `margins`.
    """
    table = margins(run)
    rows = []
    for operation, of_operation in table.groupby("operation", sort=False):
        steps = of_operation["step"].to_numpy(dtype=np.int64)
        signal, memory = numbers(of_operation, "signal"), numbers(of_operation, "memory")
        rows.append(
            {"operation": operation, "signal_by": first(steps, signal > SIGNAL), **_peak(steps, memory)}
            | {"grok_step": run.grok_step}
        )
    found = pd.DataFrame(rows)
    for column in ("signal_by", "memory_peak_step", "memory_halved_by", "grok_step"):
        found[column] = found[column].astype("Int64")
    return found.assign(signal_lead=found["grok_step"] - found["signal_by"])


def first(steps: Int[np.ndarray, " checkpoint"], holds: Float[np.ndarray, " checkpoint"]) -> int | None:
    """The first step at which something holds; None where it never does."""
    return int(steps[np.argmax(holds)]) if holds.any() else None


def _peak(
    steps: Int[np.ndarray, " checkpoint"], memory: Float[np.ndarray, " checkpoint"]
) -> dict[str, float | int | None]:
    if not (memory > 0).any():
        return {"memory_peak": np.nan, "memory_peak_step": None, "memory_halved_by": None}
    peak = int(np.nanargmax(memory))
    halved = first(steps[peak:], memory[peak:] < memory[peak] / 2)
    return {"memory_peak": float(memory[peak]), "memory_peak_step": int(steps[peak]), "memory_halved_by": halved}
