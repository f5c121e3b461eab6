"""The coset reading of functions on pairs: a table over the cosets of a and of b.

    X[a, b] ~ table[coset of a, coset of b]                                    k_a * k_b parameters

Any function of which cosets the operands are in, whatever a neuron does with them. Which partitions, is chosen for every
function by its means over each operand: of every number of cosets k the partition with most variance between its cosets,
and the whole group (k = 1: the operand does not matter); of all pairs of these that are allowed, the one whose
table fits best. A function whose cosets show in none of its means is not found.

Partitions into so many cosets that functions of one operand without structure have more than 0.4 of their variance
between them, (k - 1)/(n - 1), are left out: a table over such a partition says that a neuron depends on one operand, and
not that it depends on cosets. (In S5 that leaves out the subgroups of order 2, with 60 cosets of 120 elements.)
Source: Stander, Yu, Fan, Biderman 2024, "Grokking Group Multiplication with Cosets" (ICML), section 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokscope.analysis.partitions import CosetPartitions

CHUNK = 64
"""Units at a time."""
TIES = 1e-6
"""Tables that explain the same but for this share of the variance are equal; the smaller one is taken."""
CHANCE = 0.4
"""Largest mean share of variance between cosets for functions without structure."""
WHOLE = -1
"""In place of a partition: the whole group."""


@dataclass(frozen=True, eq=False)
class Tabulated:
    """What the best table of each unit says about the pairs that it was not fitted on."""

    left: Int[np.ndarray, " unit"]
    """Partition of the left operand, or WHOLE."""
    right: Int[np.ndarray, " unit"]
    parameters: Int[np.ndarray, " unit"]
    """k_a * k_b."""
    predicted: Float[Tensor, "held_out unit"]


class CosetReading:
    """Tables over cosets, fitted on some pairs of a group.

    Arguments:
        partitions: of the group.
        fit: the pairs to fit on; the others are held out.
    """

    def __init__(self, partitions: CosetPartitions, fit: Bool[np.ndarray, "a b"]) -> None:
        self.partitions = partitions
        self._labels = torch.from_numpy(np.concatenate([partitions.labels, np.zeros((1, partitions.n), dtype=int)]))
        self._fit = torch.from_numpy(fit)

    def fit(self, x: Float[Tensor, "a b unit"], most: Int[np.ndarray, " unit"]) -> Tabulated:
        """Choose partitions and fit tables on the fitted pairs, and predict the others.

        Arguments:
            x: without its mean over fitted pairs, which float32 may need.
            most: how many parameters each unit's table may have.
        """
        parts = [
            self._fit_some(x[..., start : start + CHUNK], torch.from_numpy(most[start : start + CHUNK]))
            for start in range(0, x.shape[-1], CHUNK)
        ]
        return Tabulated(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in ("left", "right", "parameters")),
            torch.cat([part.predicted for part in parts], dim=1),
        )

    def _fit_some(self, x: Float[Tensor, "a b unit"], most: Int[Tensor, "unit"]) -> Tabulated:
        mask = self._fit.to(x.dtype)
        x = x.permute(2, 0, 1) * mask  # [unit, a, b], 0 where held out
        left = self._candidates(x.sum(2).T, mask.sum(1), int(most.max()))
        right = self._candidates(x.sum(1).T, mask.sum(0), int(most.max()))
        sizes = torch.from_numpy(np.append(self.partitions.index, 1))[left[0]]  # of each candidate, the same for all
        rows, row_labels = self._indicators(left, sizes)
        cols, col_labels = self._indicators(right, sizes)
        sums = rows @ x @ cols.mT
        counts = rows @ mask @ cols.mT
        tables = sums / counts.clamp(min=1.0)  # an empty cell says the mean, 0
        block = torch.repeat_interleave(torch.eye(len(sizes), dtype=x.dtype), sizes, dim=1)
        explained = (block @ (sums * tables) @ block.T).flatten(1)
        parameters = (sizes[:, None] * sizes[None, :]).flatten()
        explained[parameters > most[:, None]] = -torch.inf
        enough = explained.amax(1) - TIES * x.square().sum((1, 2))
        chosen = torch.where(explained >= enough[:, None], parameters, torch.iinfo(torch.int64).max).argmin(1)
        unit, i, j = torch.arange(len(x)), chosen // len(sizes), chosen % len(sizes)
        cells = row_labels[unit, i][:, :, None] * tables.shape[2] + col_labels[unit, j][:, None, :]
        held_out = cells.flatten(1)[:, ~self._fit.flatten()]
        predicted = tables.flatten(1).gather(1, held_out).T
        partition = [np.where(which < len(self.partitions), which, WHOLE) for which in (left[unit, i], right[unit, j])]
        return Tabulated(*partition, parameters[chosen].numpy(), predicted)

    def _candidates(
        self, sums: Float[Tensor, "element unit"], counts: Float[Tensor, " element"], most: int
    ) -> Int[Tensor, "unit candidate"]:
        """The best partition of each number of cosets up to `most` for the means over an operand, and the whole group
        (the number after the last partition)."""
        between = self.partitions.between(sums / counts.clamp(min=1.0)[:, None]).nan_to_num()  # NaN: constant
        index = torch.from_numpy(self.partitions.index)
        found = [torch.full((sums.shape[1],), len(self.partitions))]
        for k in index.unique().tolist():
            if k <= most and (k - 1) / (self.partitions.n - 1) <= CHANCE:
                these = (index == k).nonzero()[:, 0]
                found.append(these[between[these].argmax(0)])
        return torch.stack(found, dim=1)

    def _indicators(
        self, candidates: Int[Tensor, "unit candidate"], sizes: Int[Tensor, " candidate"]
    ) -> tuple[Float[Tensor, "unit coset element"], Int[Tensor, "unit candidate element"]]:
        """Indicators of the cosets of all candidates, one candidate after the other, and which of them each element is
        in."""
        labels = self._labels[candidates] + (sizes.cumsum(0) - sizes)[:, None]
        shape = (len(candidates), int(sizes.sum()), self.partitions.n)
        return torch.zeros(shape).scatter_(1, labels, 1.0), labels
