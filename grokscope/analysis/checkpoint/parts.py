"""Functions on pairs (a, b), split into orthogonal parts: about the answer, about one operand, and the rest.

    answer    functions of a * b, through all irreps
    left      functions of a alone
    right     functions of b alone
    quotient  functions of a * b^-1, as far as they are not functions of a * b
    rest      what is left

each without its mean. Over all pairs of a group the first three are orthogonal, and each has n - 1 dimensions.
Functions of a * b^-1 are others than those of a * b through irreps of more than one dimension, and the same through
irreps of one (for Z_n: other, but for the sign); where an irrep is real and of dimension d they are neither orthogonal
nor the same (cosine 1 / d). So `quotient` is what they add to functions of a * b.

Over some of the pairs, as those of a split, no two of them are orthogonal: a random half of the pairs of Z_96 has a
function of a that follows a given function of a * b a little, by chance. Then each part is what functions of that kind
add, in the order above, to those before it: with P_k the least-squares projection on the functions of the first k
kinds, restricted to those pairs,

    energy_k = ||P_k x||^2 - ||P_(k-1) x||^2,        rest = ||x||^2 - ||P_last x||^2,        x without its mean

so the parts add up exactly on any set of pairs, they do not depend on the order where the set is all pairs, and what is
a function of the answer on the set is `answer` and nothing else. By chance alone, values that are drawn alike for all
pairs have in every part the share dimensions / (pairs - 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokscope.analysis.checkpoint.basis import GridBasis

PARTS = ("answer", "left", "right", "quotient", "rest")
RANK = 1e-9
"""Directions whose square is smaller than this share of the largest are none: they are in the parts before."""


@dataclass(frozen=True, eq=False)
class Energies:
    """Sums of squares over some pairs, of every part of each unit, in float64."""

    parts: Float[Tensor, "part unit"]
    """In the order of `PARTS`."""
    total: Float[Tensor, "unit"]
    """Over the same pairs, of the unit less its mean; the sum of the parts, and 0 for a constant unit."""

    @property
    def weighted(self) -> Float[Tensor, "part"]:
        """The share of each part in the sum over all units; NaN where none varies."""
        return self.parts.sum(1) / self.total.sum()

    @property
    def median(self) -> Float[Tensor, "part"]:
        """The median over the units that vary of each part's share; NaN where none varies."""
        varies = self.total > 0
        shares = self.parts[:, varies] / self.total[varies]
        return shares.quantile(0.5, dim=1) if shares.shape[1] else shares.new_full((len(shares),), torch.nan)


class PairParts:
    """The parts of functions on some of the pairs of a group's elements.

    Arguments:
        basis: the group on its grid of operand tokens.
        pairs: `[row, col]`, which pairs of the grid; those of tokens that are no group elements are left out.
    """

    def __init__(self, basis: GridBasis, pairs: Bool[Tensor, "row col"]) -> None:
        kinds = _classes(basis)
        chosen = pairs.flatten()[kinds[0].where]
        where, n = kinds[0].where[chosen], basis.n
        members = torch.stack([kind.of_pair[chosen] for kind in kinds])  # [kind, pair]
        self.n_pairs = len(where)
        # Every class's pairs in a row, for sums over classes.
        by_class = members.argsort(dim=1, stable=True)
        self._order: Int[Tensor, "kind_pair"] = where[by_class].flatten()
        sizes = torch.stack([torch.bincount(member, minlength=n) for member in members])
        self._starts: Int[Tensor, "kind_class"] = torch.cat([sizes.new_zeros(1), sizes.flatten().cumsum(0)[:-1]])
        self._sizes = sizes.flatten().double()
        self._where = where
        self._projections, self.dims = _projections(members, n)

    @property
    def chance(self) -> Float[Tensor, "part"]:
        """The share that each part has on average of values that are drawn alike for all pairs."""
        dims = [*self.dims, self.n_pairs - 1 - sum(self.dims)]
        return torch.tensor(dims, dtype=torch.float64) / max(self.n_pairs - 1, 1)

    def energies(self, x: Float[Tensor, "pair unit"]) -> Energies:
        """The parts of activations.

        Arguments:
            x: at all pairs of the grid, flattened.
        """
        sums = F.embedding_bag(self._order, x, self._starts, mode="sum").double()  # [kind class, unit]
        mean = sums[: len(sums) // len(self._projections)].sum(0) / self.n_pairs
        total = torch.zeros_like(mean)
        for rows in self._where.split(1024):  # few enough for the processor's cache
            total += (x[rows] - mean.to(x.dtype)).square_().sum(0).double()
        # What is a constant up to rounding has no parts.
        total = torch.where(total > 1e3 * torch.finfo(x.dtype).eps ** 2 * self.n_pairs * mean.square(), total, 0.0)
        centred = sums - self._sizes[:, None] * mean
        energy = torch.stack([(projection @ centred).square().sum(0) for projection in self._projections])
        energy = torch.where(total > 0, energy, 0.0)
        rest = (total - energy.sum(0)).clamp(min=0.0)
        return Energies(torch.cat([energy, rest[None]]), total)


@dataclass(frozen=True, eq=False)
class _Kind:
    """What functions of one kind have the same value on."""

    where: Int[Tensor, "pair"]
    """Every pair of group elements, as a place in the flattened grid."""
    of_pair: Int[Tensor, "pair"]
    """The class that the pair is in: its product, its left element, ..."""


def _classes(basis: GridBasis) -> tuple[_Kind, ...]:
    """The kinds of functions in the order in which they are taken, over the same pairs in the same order."""
    table, inverse = torch.tensor(basis.group.table), torch.tensor(basis.group.inverse)
    n = basis.n
    where = (torch.from_numpy(basis.left)[:, None] * basis.shape[1] + torch.from_numpy(basis.right)).flatten()
    left, right = (x.flatten() for x in torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij"))
    of_pair = (table[left, right], left, right, table[left, inverse[right]])
    return tuple(_Kind(where, kind.long()) for kind in of_pair)


def _projections(
    members: Int[Tensor, "kind pair"], n: int
) -> tuple[list[Float[Tensor, "dim kind_class"]], tuple[int, ...]]:
    """From sums over classes to coefficients in an orthonormal basis of what each kind adds to those before.

    The functions are the indicators of the classes. Their inner products, less those of their means, are counts of
    pairs, so that they are made orthogonal without the pairs (Gram and Schmidt, a kind at a time).
    """
    kinds, pairs = members.shape
    width = kinds * n
    gram = torch.zeros((width, width), dtype=torch.float64)
    for i in range(kinds):
        for j in range(kinds):
            counts = torch.bincount(members[i] * n + members[j], minlength=n * n).double().view(n, n)
            means = counts.sum(1)[:, None] * counts.sum(0) / max(pairs, 1)
            gram[i * n : (i + 1) * n, j * n : (j + 1) * n] = counts - means
    before = gram.new_zeros((0, width))
    projections, dims = [], []
    for kind in range(kinds):
        own = slice(kind * n, (kind + 1) * n)
        # The indicators of this kind, less their projection on all before, as combinations of indicators.
        rows = torch.zeros((n, width), dtype=torch.float64)
        rows[:, own] = torch.eye(n, dtype=torch.float64)
        for _ in range(2):  # once more, for what rounding left
            rows = rows - (rows @ gram @ before.T) @ before
        squares, directions = torch.linalg.eigh(rows @ gram @ rows.T)
        kept = squares > RANK * gram.diagonal().max().clamp(min=1e-300)
        basis = (directions[:, kept] / squares[kept].sqrt()).T @ rows
        projections.append(basis)
        dims.append(int(kept.sum()))
        before = torch.cat([before, basis])
    return projections, tuple(dims)
