"""The coset reading of functions on pairs: a table over the cosets of a and of b.

    X[a, b] ~ table[coset of a, coset of b]                                    k_a * k_b parameters

Any function of which cosets the operands are in, whatever a neuron does with them. Which partitions, is chosen for
every function by its means over each operand: of every number of cosets k and either side the partition with most
variance between its cosets, and the whole group (k = 1: the operand does not matter); of all pairs of these that are
allowed, the one whose table is best by `criterion`. A function whose cosets show in none of its means is not found.

Partitions into so many cosets that functions of one operand without structure have more than 0.4 of their variance
between them, (k - 1)/(n - 1), are left out: a table over such a partition says that a neuron depends on one operand,
and not that it depends on cosets. (In S5 that leaves out the subgroups of order 2, with 60 cosets of 120 elements.)
Source: Stander, Yu, Fan, Biderman 2024, "Grokking Group Multiplication with Cosets" (ICML), section 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokscope.analysis.cosets.irrep_reading import criterion
from grokscope.analysis.cosets.partitions import CosetPartitions

CHUNK = 64
"""Units at a time."""
CHANCE = 0.4
"""Largest mean share of variance between cosets for functions without structure."""
WHOLE = -1
"""In place of a partition: the whole group."""


@dataclass(frozen=True, eq=False)
class Tabulated:
    """What the table chosen for each unit says about the pairs that it was not fitted on."""

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
            left=np.concatenate([part.left for part in parts]),
            right=np.concatenate([part.right for part in parts]),
            parameters=np.concatenate([part.parameters for part in parts]),
            predicted=torch.cat([part.predicted for part in parts], dim=1),
        )

    def _fit_some(self, x: Float[Tensor, "a b unit"], most: Int[Tensor, "unit"]) -> Tabulated:
        mask = self._fit.to(x.dtype)
        x = x.permute(2, 0, 1) * mask  # [unit, a, b], 0 where held out
        left = self._candidates(x.sum(2).T, mask.sum(1), int(most.max()))
        right = self._candidates(x.sum(1).T, mask.sum(0), int(most.max()))
        sizes = torch.from_numpy(np.append(self.partitions.index, 1))[left[0]]  # of each candidate, the same for all
        explained = self._explained(x, mask, left, right, sizes, int(most.max()))
        parameters = sizes[:, None] * sizes[None, :]
        score = criterion(explained.permute(1, 2, 0), x.square().sum((1, 2)), parameters[..., None], int(mask.sum()))
        chosen = torch.where(parameters[..., None] <= most, score, torch.inf).flatten(0, 1).argmin(0)
        unit, i, j = torch.arange(len(x)), chosen // len(sizes), chosen % len(sizes)
        of_a, of_b = left[unit, i], right[unit, j]
        return Tabulated(
            left=np.where(of_a < len(self.partitions), of_a, WHOLE),
            right=np.where(of_b < len(self.partitions), of_b, WHOLE),
            parameters=parameters.flatten()[chosen].numpy(),
            predicted=self._predicted(x, self._labels[of_a], self._labels[of_b]),
        )

    def _explained(
        self,
        x: Float[Tensor, "unit a b"],
        mask: Float[Tensor, "a b"],
        left: Int[Tensor, "unit candidate"],
        right: Int[Tensor, "unit candidate"],
        sizes: Int[Tensor, " candidate"],
        most: int,
    ) -> Float[Tensor, "unit candidate candidate"]:
        """Sums of squares that the tables of all pairs of candidates explain, -inf for pairs of which neither is small
        enough to be allowed."""
        rows, cols = self._indicators(left, sizes, x.dtype), self._indicators(right, sizes, x.dtype)
        # Candidates stand in the order of their sizes, and of two that are allowed together one is at most sqrt(most).
        few = int((sizes**2 <= most).sum())
        split = int(sizes[:few].sum())
        block = torch.repeat_interleave(torch.eye(len(sizes), dtype=x.dtype), sizes, dim=1)  # [candidate, coset]
        small, large = rows[:, :split], rows[:, split:]

        def of_tables(sums: Tensor, counts: Tensor, of_rows: Tensor, of_cols: Tensor) -> Tensor:
            return of_rows @ (sums.square() / counts.clamp(min=1.0)) @ of_cols.T

        explained = x.new_full((len(x), len(sizes), len(sizes)), -torch.inf)
        explained[:, :few] = of_tables(small @ x @ cols.mT, small @ mask @ cols.mT, block[:few, :split], block)
        narrow = cols[:, :split].mT
        explained[:, few:, :few] = of_tables(
            large @ (x @ narrow), large @ (mask @ narrow), block[few:, split:], block[:few, :split]
        )
        return explained

    def _predicted(
        self, x: Float[Tensor, "unit a b"], of_a: Int[Tensor, "unit a"], of_b: Int[Tensor, "unit b"]
    ) -> Float[Tensor, "held_out unit"]:
        """Means over the fitted pairs in the cell of each held-out pair; 0, the mean, for a cell without any."""
        width = int(of_b.max()) + 1
        cells = (of_a[:, :, None] * width + of_b[:, None, :]).flatten(1)
        fit = self._fit.flatten().expand_as(cells)
        sums = x.new_zeros((len(x), (int(of_a.max()) + 1) * width)).scatter_add_(1, cells, x.flatten(1))
        counts = torch.zeros_like(sums).scatter_add_(1, cells, fit.to(x.dtype))
        return (sums / counts.clamp(min=1.0)).gather(1, cells[:, ~self._fit.flatten()]).T

    def _candidates(
        self, sums: Float[Tensor, "element unit"], counts: Float[Tensor, " element"], most: int
    ) -> Int[Tensor, "unit candidate"]:
        """For the means over an operand the best partition of each side and number of cosets up to `most`, and the
        whole group (the number after the last partition)."""
        between = self.partitions.between(sums / counts.clamp(min=1.0)[:, None]).nan_to_num()  # NaN: constant
        kinds: dict[tuple[int, str], list[int]] = {}
        for number, partition in enumerate(self.partitions.partitions):
            k = partition.subgroup.index
            if k <= most and (k - 1) / (self.partitions.n - 1) <= CHANCE:
                kinds.setdefault((k, partition.side), []).append(number)
        candidates = [torch.full((sums.shape[1],), len(self.partitions))]
        candidates += [torch.tensor(these)[between[these].argmax(0)] for these in kinds.values()]
        return torch.stack(candidates, dim=1)

    def _indicators(
        self, candidates: Int[Tensor, "unit candidate"], sizes: Int[Tensor, " candidate"], dtype: torch.dtype
    ) -> Float[Tensor, "unit coset element"]:
        """Indicators of the cosets of all candidates, one candidate after the other."""
        labels = self._labels[candidates] + (sizes.cumsum(0) - sizes)[:, None]
        shape = (len(candidates), int(sizes.sum()), self.partitions.n)
        return torch.zeros(shape, dtype=dtype).scatter_(1, labels, 1.0)
