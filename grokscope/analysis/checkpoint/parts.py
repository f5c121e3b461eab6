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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokscope.analysis.checkpoint.basis import GridBasis

PARTS = ("answer", "left", "right", "quotient", "rest")
RANK = 1e-9
"""Directions whose square is smaller than this share of the largest are none: they are in the parts before."""


ALL = "all"
"""The name of all splits together."""
CHUNK = 1024
"""Pairs looked at together: few enough for the processor's cache."""


@dataclass(frozen=True, eq=False)
class Energies:
    """Sums of squares over some pairs, of every part of each unit, in float64."""

    parts: Float[Tensor, "part unit"]
    """In the order of `PARTS`."""
    total: Float[Tensor, "unit"]
    """Over the same pairs, of the unit less its mean; the sum of the parts, and 0 for a constant unit."""

    @staticmethod
    def joined(blocks: Sequence[Energies]) -> Energies:
        """Of all units, from those of some after the others."""
        return Energies(torch.cat([one.parts for one in blocks], dim=1), torch.cat([one.total for one in blocks]))

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
    """The parts of functions on the pairs of a group's elements, over each of some splits and over all of them.

    Arguments:
        basis: the group on its grid of operand tokens.
        splits: `[row, col]`, which pairs of the grid, by name; no pair is in two of them. Pairs of tokens that are no
            group elements are left out, and so are splits that have fewer than two others.
    """

    def __init__(self, basis: GridBasis, splits: Mapping[str, Bool[Tensor, "row col"]]) -> None:
        where, kinds = _kinds(basis)
        chosen = {name: pairs.flatten()[where] for name, pairs in splits.items()}
        sets = {name: _Set.of(kinds[:, of], basis.n) for name, of in chosen.items()}
        sets[ALL] = _Set.of(kinds[:, torch.stack(list(chosen.values())).any(0)], basis.n)
        self.sets = {name: of for name, of in sets.items() if of.n_pairs > 1}
        self._splits = list(splits)
        places = where.new_zeros(0)
        for of in chosen.values():
            by_class = kinds[:, of].argsort(dim=1, stable=True)
            places = torch.cat([places, where[of][by_class].flatten()])
        self._places: Int[Tensor, "split_kind_pair"] = places
        """The pairs of each class of each kind in each split, one class after another."""
        sizes = torch.cat([sets[name].sizes for name in splits])
        self._starts: Int[Tensor, "split_kind_class"] = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)[:-1]])
        members = torch.zeros((len(splits), pairs_of(basis)), dtype=torch.float64)
        for row, of in enumerate(chosen.values()):
            members[row, where[of]] = 1.0
        self._members: Float[Tensor, "split pair"] = members

    def energies(self, x: Float[Tensor, "pair unit"]) -> dict[str, Energies]:
        """The parts of activations over every split, and over `all` of them.

        Arguments:
            x: at all pairs of the grid, flattened.
        """
        # Less something near the mean, whose square would drown a small variance in float32.
        near = x[:: max(1, len(x) // 128)].mean(0)
        sums = F.embedding_bag(self._places, x, self._starts, mode="sum").double()
        sums = rearrange(sums, "(split kind_class) unit -> split kind_class unit", split=len(self._splits))
        squares = sums.new_zeros((len(self._splits), x.shape[1]))
        members = self._members.to(x.dtype)
        for rows, inside in zip(x.split(CHUNK), members.split(CHUNK, dim=1), strict=True):
            squares += (inside @ (rows - near).square_()).double()
        by_set = {name: (sums[i], squares[i]) for i, name in enumerate(self._splits)}
        by_set[ALL] = sums.sum(0), squares.sum(0)
        rounding = 1e3 * torch.finfo(x.dtype).eps ** 2
        return {name: of.energies(*by_set[name], near.double(), rounding) for name, of in self.sets.items()}


@dataclass(frozen=True, eq=False)
class _Set:
    """A set of pairs: what sums over its classes say about each part."""

    n_pairs: int
    sizes: Int[Tensor, "kind_class"]
    projections: tuple[Float[Tensor, "dim kind_class"], ...]
    """From sums over classes to coefficients in an orthonormal basis of what each kind adds to those before."""

    @staticmethod
    def of(members: Int[Tensor, "kind pair"], n: int) -> _Set:
        """From the class of each kind that every pair is in."""
        sizes = torch.stack([torch.bincount(member, minlength=n) for member in members]).flatten()
        return _Set(members.shape[1], sizes, _projections(members, n))

    @cached_property
    def _parts(self) -> list[tuple[Float[Tensor, "dim some"], Int[Tensor, "some"]]]:
        """Each projection on the classes that it asks for: over all pairs of a group most ask for their own kind's."""
        asked = [part.any(0).nonzero()[:, 0] for part in self.projections]
        return [(part[:, classes], classes) for part, classes in zip(self.projections, asked, strict=True)]

    @property
    def chance(self) -> Float[Tensor, "part"]:
        """The share that each part has on average of values that are drawn alike for all pairs."""
        dims = [len(projection) for projection in self.projections]
        return torch.tensor([*dims, self.n_pairs - 1 - sum(dims)], dtype=torch.float64) / (self.n_pairs - 1)

    def energies(
        self,
        sums: Float[Tensor, "kind_class unit"],
        squares: Float[Tensor, "unit"],
        near: Float[Tensor, "unit"],
        rounding: float,
    ) -> Energies:
        """From sums over the classes, and over all pairs of the squares of x - near."""
        n_classes = len(sums) // len(self.projections)
        mean = sums[:n_classes].sum(0) / self.n_pairs
        total = squares - self.n_pairs * (mean - near).square()
        # What is constant up to rounding has no parts.
        total = torch.where(total > rounding * self.n_pairs * mean.square(), total, 0.0)
        centred = sums - self.sizes[:, None] * mean
        energy = torch.stack([(part @ centred[classes]).square().sum(0) for part, classes in self._parts])
        energy = torch.where(total > 0, energy, 0.0)
        rest = (total - energy.sum(0)).clamp(min=0.0)
        return Energies(torch.cat([energy, rest[None]]), total)


def pairs_of(basis: GridBasis) -> int:
    """How many pairs the grid has."""
    return basis.shape[0] * basis.shape[1]


def _kinds(basis: GridBasis) -> tuple[Int[Tensor, "pair"], Int[Tensor, "kind pair"]]:
    """Where in the flattened grid each pair of group elements is, and the class of each kind that it is in.

    Functions of one kind have one value on a class: on the pairs of one product, of one left element, and so on, in the
    order in which they are taken.
    """
    table, inverse = torch.tensor(basis.group.table), torch.tensor(basis.group.inverse)
    n = basis.n
    where = (torch.from_numpy(basis.left)[:, None] * basis.shape[1] + torch.from_numpy(basis.right)).flatten()
    left, right = (x.flatten() for x in torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij"))
    return where, torch.stack([table[left, right], left, right, table[left, inverse[right]]]).long()


def _projections(members: Int[Tensor, "kind pair"], n: int) -> tuple[Float[Tensor, "dim kind_class"], ...]:
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
    projections = []
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
        projections.append(basis[:, : own.stop])
        before = torch.cat([before, basis])
    return tuple(projections)
