"""The step-down test: weak irreps beside strong ones, with a floor on how small they may be.

The relabelling null compares every irrep with the largest power of any. A strong irrep spreads over all others when
labels are shuffled, so it raises the threshold of all of them and hides a weak one. The step-down test takes the strong
ones out and asks again about what is left:

    round 1   test the table; the irreps above the threshold are S_1
    round j   test the table without S_1, ..., S_(j-1), against its own relabellings (`null`); those above are S_j
    end       when a round finds none, or when no irrep is left whose power reaches the floor

The adjusted p-value of an irrep is the largest p-value of the rounds up to its own. The level alpha holds for all
rounds together: an irrep that means nothing is found only where it exceeds the largest of all that are left, which
include all that mean nothing, and that has probability alpha at most (Westfall and Young 1993, algorithm 2.8; Romano
and Wolf 2005). This is exact in round 1, where rows are exchangeable, and approximate later, where the rows of what is
left depend slightly on each other through the irreps that were taken out. `reports/tables/step-down-levels.csv` says
what the level really is.

*Why there is a floor.* In a trained network nothing is noise alone. Once the strong irreps are gone, traces of a
thousandth of the variance (harmonics of a key, remains of memorising) stand out from smaller ones, and are significant
for good reason. So an irrep of a later round must also be large enough to matter. Its excess, the power beyond what
noise has in as many dimensions,

    excess(rho) = power(rho) - s v,     v = what is left without S_1, ..., S_j, per dimension of what is left,

must be at least `FLOOR`, a hundredth of the table's variance. An irrep's part in the logits goes with the product of
its parts in both operands, so with its power: one with a hundredth of the variance adds a twentieth of what a usual
key with a fifth of the variance adds. A network that works can still hold such an irrep and not use it, so that key
sets ask for a causal check as well (`removal`). Irreps of round 1 need neither: they exceed what relabelling makes of
the whole table, strong irreps included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from grokscope.analysis.checkpoint.null import RelabellingNull

FLOOR = 0.01
"""Least excess, as a share of the table's variance, of an irrep of a later round."""


@dataclass(frozen=True, eq=False)
class StepDown:
    """What a step-down test says about one table; powers are shares of the whole table's variance."""

    power: Float[np.ndarray, " irrep"]
    threshold: Float[np.ndarray, " irrep"]
    """The power that had to be exceeded in the round that decided: the one that found the irrep, or else the last."""
    p_value: Float[np.ndarray, " irrep"]
    """Adjusted for all rounds up to that one: family-wise."""
    round: Int[np.ndarray, " irrep"]
    """The round that found the irrep; 0 where none did."""
    excess: Float[np.ndarray, " irrep"]
    """Power beyond what noise has in as many dimensions, judged by what is left without all irreps that were found."""
    confirmed: Int[np.ndarray, " key"]
    """The `weak` irreps that passed the causal check; none where it was not made (`confirm`)."""

    @property
    def strong(self) -> Int[np.ndarray, " key"]:
        """Irreps of round 1."""
        return np.flatnonzero(self.round == 1)

    @property
    def weak(self) -> Int[np.ndarray, " key"]:
        """Irreps of later rounds whose excess reaches the floor."""
        return np.flatnonzero((self.round > 1) & (self.excess >= FLOOR))

    @property
    def keys(self) -> Int[np.ndarray, " key"]:
        """The key set: strong irreps, and weak ones that passed the causal check."""
        return np.union1d(self.strong, self.confirmed)

    def confirm(self, is_used: Callable[[int], bool]) -> StepDown:
        """The same with the causal check made of every weak irrep."""
        return replace(self, confirmed=np.array([irrep for irrep in self.weak.tolist() if is_used(irrep)], dtype=int))


def step_down(null: RelabellingNull, table: Float[np.ndarray, "element unit"], rounds: int | None = None) -> StepDown:
    """Test a table round by round, without the irreps that were found before.

    Arguments:
        null: of the table's group; its relabellings, level and seed hold in every round.
        table: labelled by operand or by answer; centred here.
        rounds: at most so many; None: until a round finds nothing.
    """
    first = null.test(table)
    power, threshold, p_value = first.power, first.threshold.copy(), first.p_value.copy()
    of_round = np.zeros(len(power), dtype=int)
    current, left = first, 1.0
    while len(current.keys):
        of_round[current.keys] = of_round.max() + 1
        found = of_round > 0
        left = max(1.0 - float(power[found].sum()), 0.0)
        undecided = np.flatnonzero(~found)[1:]
        if of_round.max() == rounds or not len(undecided) or power[undecided].max() < FLOOR:
            break
        largest = float(p_value[found].max())
        current = null.test(table, np.flatnonzero(found).tolist())
        p_value[undecided] = np.maximum(current.p_value[undecided], largest)
        threshold[undecided] = current.threshold[undecided] * left
    spans = null.spans.astype(np.float64)
    spans[0] = 0.0
    dimensions = float(spans[of_round == 0].sum())
    excess = power - spans * (left / dimensions if dimensions > 0 else 0.0)
    return StepDown(power, threshold, p_value, of_round, excess, np.zeros(0, dtype=int))
