"""The step-down test: weak irreps beside strong ones, with a floor on how small they may be.

The relabelling null compares every irrep with the largest power of any. A strong irrep spreads over all others when
labels are shuffled, so it raises the threshold for all of them and hides a weak one. The step-down test takes the
strong ones out and asks again, about what is left:

    step 1   test the table; the irreps above the threshold are S_1
    step j   test the table without S_1, ..., S_(j-1), with its own relabellings (`null`); those above are S_j
    stop     where a step finds none, or where no irrep is left whose power reaches the floor

The adjusted p-value of an irrep is the largest p-value of the steps up to its own. The level alpha holds for all steps
together: an irrep that means nothing can only be found where it exceeds the largest of those left, which still
contain all that mean nothing, and that happens with probability alpha at most (Westfall and Young 1993, algorithm 2.8;
Romano and Wolf 2005). Exactly so for step 1, where rows are exchangeable; nearly so later, where the rows of what is
left are slightly dependent through the irreps that were taken out. `reports/tables/step-down.csv` has the level that it
really has.

*Why a floor.* In a trained network nothing is noise alone. With the strong irreps gone, traces of a thousandth of the
variance (harmonics of a key, what remains of memorising) stand out from still smaller ones, and are significant for
good reason. So an irrep must also be worth something: its excess, the power beyond what as many dimensions of noise
hold,

    excess(rho) = power(rho) - s v,     v = what is left without S_1, ..., S_j / its dimensions,

must be at least `FLOOR`, a hundredth of the table's variance. What an irrep adds to the logits goes with the product of
what it is in both operands, so with its power: with a hundredth of the variance it adds a twentieth of what a usual
key with a fifth of the variance adds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from grokscope.analysis.checkpoint.null import RelabellingNull, Significance

FLOOR = 0.01
"""Least excess, as a share of the table's variance, of an irrep that is found after the first step."""


@dataclass(frozen=True, eq=False)
class StepDown:
    """What a step-down test finds in one table."""

    first: Significance
    """The first step: the relabelling null of the whole table."""
    p_value: Float[np.ndarray, " irrep"]
    """Adjusted for all steps up to the one that decided about the irrep: family-wise."""
    threshold: Float[np.ndarray, " irrep"]
    """The power that had to be exceeded in that step, as a share of the whole table's variance."""
    step: Int[np.ndarray, " irrep"]
    """The step that found the irrep; 0 for those that no step found."""
    excess: Float[np.ndarray, " irrep"]
    """Power beyond what noise has in as many dimensions, judged by what is left without all irreps that were found."""

    @property
    def power(self) -> Float[np.ndarray, " irrep"]:
        """Shares of the whole table's variance."""
        return self.first.power

    @property
    def strong(self) -> Int[np.ndarray, " key"]:
        """Irreps of the first step."""
        return np.flatnonzero(self.step == 1)

    @property
    def weak(self) -> Int[np.ndarray, " key"]:
        """Irreps of later steps whose excess reaches the floor."""
        return np.flatnonzero((self.step > 1) & (self.excess >= FLOOR))


def step_down(null: RelabellingNull, table: Float[np.ndarray, "element unit"]) -> StepDown:
    """Test a table step by step, without the irreps that were found before.

    Arguments:
        null: of the table's group; its draws, level and seed hold in every step.
        table: labelled by operand or by answer; centred here.
    """
    first = null.test(table)
    count = len(first.power)
    step, p_value, threshold = np.zeros(count, dtype=int), first.p_value.copy(), first.threshold.copy()
    found, current, left, least = np.zeros(count, dtype=bool), first, 1.0, 0.0
    while len(current.keys):
        step[current.keys] = step.max() + 1
        found[current.keys] = True
        left = max(1.0 - float(first.power[found].sum()), 0.0)
        undecided = np.flatnonzero(~found)[1:]
        if not len(undecided) or first.power[undecided].max() < FLOOR:
            break
        least = max(least, float(current.p_value[current.keys].max()))
        current = null.test(table, np.flatnonzero(found).tolist())
        p_value[undecided] = np.maximum(current.p_value[undecided], least)
        threshold[undecided] = current.threshold[undecided] * left
    spans = null.spans.astype(np.float64)
    dimensions = float(spans[1:].sum() - spans[found].sum())
    noise = left / dimensions if dimensions > 0 else 0.0
    excess = first.power - spans * noise
    excess[0] = 0.0
    return StepDown(first, p_value, threshold, step, excess)
