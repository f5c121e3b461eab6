"""Every partition of a group into cosets, and how much of a function's variance lies between the cosets.

For a subgroup H, a function f on G and its Fourier coefficients f^(rho) = sum_g f(g) rho(g), rho orthogonal of
dimension d and commutant dimension c,

    ||mean of f over each left coset gH||^2  = sum_rho (d / (c n)) <f^(rho)^T f^(rho), P_H(rho)>
    ||mean of f over each right coset Hg||^2 = sum_rho (d / (c n)) <f^(rho) f^(rho)^T, P_H(rho)>

with P_H(rho) = (1/|H|) sum_{h in H} rho(h), the projection on the vectors that H fixes: averaging over gH is
f(g) -> (1/|H|) sum_h f(gh), which multiplies f^(rho) by P_H(rho) from the right. So one product gives the
coefficients of many functions, one multiplies each with itself, and one gives the variance between the cosets of
every subgroup, at a tenth of the cost of averaging over cosets (S5 has 154 subgroups and 4,202 cosets).
Source: Plancherel's formula; Diaconis 1988, chapter 2. A left coset of H is a right coset of a conjugate of H, but
the partitions differ unless H is normal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.analysis.checkpoint.frames import groups_of, has_mlp
from grokscope.engine.linear import matmul_transposed
from grokscope.groups import FiniteGroup, SubgroupClass, is_prime, left_cosets, right_cosets, subgroup_classes
from grokscope.groups.subgroups import MAX_ORDER

if TYPE_CHECKING:
    from grokscope.analysis.checkpoint.checkpoint import RunContext
    from grokscope.analysis.checkpoint.frames import Frame
    from grokscope.runs import Run

Side = Literal["left", "right", "both"]
CHUNK = 2048
"""Functions at a time, so that what is in between stays in the processor's cache."""
CONSTANT = 1e-3
"""Share of variance within cosets below which a function is constant on them."""
ROUNDING = 1e-4
"""Scores that differ by less, relative to the larger or to 1, are equal."""


def group_has_cosets(group: FiniteGroup) -> bool:
    """Whether all subgroups of a group are found (order <= 120), and any is proper and non-trivial."""
    # Cauchy: a group of composite order has a subgroup of each prime order that divides it.
    return 1 < group.order <= MAX_ORDER and not is_prime(group.order)


def has_cosets(run: Run) -> bool:
    """Whether a run has neurons, and its task a group whose cosets can be looked for (`group_has_cosets`)."""
    return has_mlp(run) and any(map(group_has_cosets, groups_of(run).values()))


def coset_frames(context: RunContext) -> tuple[Frame, ...]:
    """The own frames of a run's task whose groups have cosets to look for.

    Raises ValueError where there is none, and for a network without neurons.
    """
    _ = context.neuron_layers
    with_cosets = tuple(frame for frame in context.own if group_has_cosets(frame.group))
    if not with_cosets:
        groups = ", ".join(dict.fromkeys(f"{frame.group.name} (order {frame.group.order})" for frame in context.own))
        raise ValueError(
            f"task {context.task.name!r} has the group {groups}: "
            f"cosets are looked for in groups of order <= {MAX_ORDER} with a subgroup other than the trivial one and "
            "the whole group; a group of prime order has none"
        )
    return with_cosets


@dataclass(frozen=True)
class Partition:
    """A group divided into the cosets of a subgroup, by index into `CosetPartitions.classes` and its members."""

    subgroup: SubgroupClass
    member: int
    side: Side


class CosetPartitions:
    """The partitions of a group into cosets of its proper, non-trivial subgroups, on either side.

    Left: gH; right: Hg; the two of a normal subgroup are one, on the side `both`. They are in the order of their
    numbers of cosets, so that of two that fit equally well the first is the coarser.

    Arguments:
        group: one that `group_has_cosets`.

    Raises ValueError for any other.
    """

    def __init__(self, group: FiniteGroup) -> None:
        if not group_has_cosets(group):
            raise ValueError(
                f"group {group.name} of order {group.order} has no cosets to look for: need order <= {MAX_ORDER} and a "
                "subgroup other than the trivial one and the whole group"
            )
        self.group, self.n = group, group.order
        whole = [one for one in subgroup_classes(group) if 1 < one.order < group.order]
        self.classes: tuple[SubgroupClass, ...] = tuple(sorted(whole, key=lambda one: one.index))
        """By index, then as `subgroup_classes` has them."""
        places = [(c, m) for c, one in enumerate(self.classes) for m in range(len(one.members))]
        self.partitions: tuple[Partition, ...] = tuple(
            Partition(self.classes[c], m, side)
            for c, m in places
            for side in (("both",) if self.classes[c].is_normal else ("left", "right"))
        )
        self.index: Int[np.ndarray, " partition"] = np.array([p.subgroup.index for p in self.partitions])
        """Number of cosets."""
        number = {one.name: c for c, one in enumerate(self.classes)}
        self.class_of: Int[np.ndarray, " partition"] = np.array([number[p.subgroup.name] for p in self.partitions])
        row = {place: i for i, place in enumerate(places)}
        # Rows of the sums of squares of all left, then all right partitions.
        self._rows = torch.tensor(
            [row[number[p.subgroup.name], p.member] + len(places) * (p.side == "right") for p in self.partitions]
        )
        irreps = group.irreps[1:]
        self._entries = np.concatenate([rho.matrices.reshape(self.n, -1) for rho in irreps], axis=1).T  # [entry, g]
        self._dims = [rho.dim for rho in irreps]
        self._runs = [(d, len(list(run))) for d, run in groupby(self._dims)]
        """Dimensions of irreps, and how many that follow each other have it: those are computed with together."""
        scales = [rho.dim / (rho.commutant_dim * self.n) for rho in irreps]
        members = [self.classes[c].members[m].elements for c, m in places]
        self._projections = torch.from_numpy(
            np.concatenate(
                [
                    s * np.stack([_upper(rho.matrices[elements].mean(0)) for elements in members])
                    for s, rho in zip(scales, irreps, strict=True)
                ],
                axis=1,
            )
        )  # [subgroup, i <= j of each irrep]
        self._whole = torch.from_numpy(
            np.concatenate([s * _upper(np.eye(d)) for s, d in zip(scales, self._dims, strict=True)])
        )

    def __len__(self) -> int:
        return len(self.partitions)

    @cached_property
    def labels(self) -> Int[np.ndarray, "partition element"]:
        """The coset of every element."""
        labels = []
        for p in self.partitions:
            cosets = right_cosets if p.side == "right" else left_cosets
            labels.append(cosets(self.group, p.subgroup.members[p.member]))
        return np.stack(labels)

    def between(
        self,
        f: Float[Tensor, "element unit"],
        relabellings: Int[np.ndarray, "draw element"] | None = None,
    ) -> Float[Tensor, "partition unit_of_draw"]:
        """Share of the variance of functions that lies between the cosets of each partition, in [0, 1].

        Arguments:
            f: none of them constant.
            relabellings: pi, of which each makes a function f(pi(g)) of every f; the functions of the first draw come
                first. Left out: f as it is.
        """
        f = f - f.mean(0)
        if relabellings is None:
            entries = torch.from_numpy(self._entries)
        else:
            # sum_g f(pi(g)) rho(g) = sum_h f(h) rho(pi^-1(h))
            entries = torch.from_numpy(
                np.concatenate([self._entries[:, np.argsort(pi)] for pi in relabellings], axis=0)
            )
        coefficients = matmul_transposed(entries.to(f.dtype), f.T)
        draws = len(entries) // len(self._entries)
        by_draw = coefficients.view(draws, -1, f.shape[1]).transpose(0, 1).flatten(1)
        return torch.cat([self._shares(chunk) for chunk in by_draw.split(CHUNK, dim=1)], dim=1)

    def _shares(self, coefficients: Float[Tensor, "entry unit"]) -> Float[Tensor, "partition unit"]:
        left, right = [], []
        for (d, count), part in zip(self._runs, coefficients.split([d * d * m for d, m in self._runs]), strict=True):
            f_hat = rearrange(part, "(irrep row column) unit -> irrep row column unit", irrep=count, row=d)
            i, j = torch.triu_indices(d, d)
            # f^T f and f f^T, their upper triangles
            left.append(_products(f_hat, i, j))
            right.append(_products(f_hat.transpose(1, 2), i, j))
        squares = torch.cat([torch.cat(left), torch.cat(right)], dim=1)
        total = self._whole.to(squares.dtype) @ squares
        sums = matmul_transposed(self._projections.to(squares.dtype), squares.T) / total
        units = coefficients.shape[1]
        return torch.cat([sums[:, :units], sums[:, units:]])[self._rows].clamp(0.0, 1.0)

    def scores(self, between: Float[Tensor, "partition unit"]) -> Float[Tensor, "partition unit"]:
        """The share of variance between cosets, in standard deviations from its mean for functions without structure.

        Of n Gaussian values in k classes of equal size, the sums of squares between and within classes are independent,
        chi-squared with k-1 and n-k degrees of freedom (Cochran's theorem), so that the share between them is
        Beta(a, b) with a = (k-1)/2, b = (n-k)/2, of mean a/(a+b) and variance ab/((a+b)^2 (a+b+1)):

            z = (share - (k-1)/(n-1)) / sd,      sd = sqrt(2 (k-1) (n-k) / (n+1)) / (n-1)

        Of two partitions that a function is constant on, the coarser has the larger z.
        Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 2 (1995), chapter 25.
        """
        mean, sd = (torch.from_numpy(x).to(between.dtype)[:, None] for x in (self._mean, self._sd))
        return (between - mean) / sd

    @property
    def _mean(self) -> Float[np.ndarray, " partition"]:
        return (self.index - 1) / (self.n - 1)

    @property
    def _sd(self) -> Float[np.ndarray, " partition"]:
        k, n = self.index, self.n
        return np.sqrt(2 * (k - 1) * (n - k) / (n + 1)) / (n - 1)

    def best(
        self, between: Float[Tensor, "partition unit"], scores: Float[Tensor, "partition unit"]
    ) -> Int[Tensor, "unit"]:
        """The partition that fits each function best: the coarsest that it is constant on, or else the largest score.

        Score alone may prefer a larger group on whose cosets a function is only nearly constant. Of partitions that
        fit equally well the first is taken: a coset gH is also the coset (gHg^-1)g of a conjugate, and its indicator
        fits both sides.
        """
        constant = between >= 1.0 - CONSTANT
        largest = scores.amax(0)
        near = scores >= largest - ROUNDING * largest.abs().clamp(min=1.0)
        return torch.where(constant.any(0), constant, near).to(torch.uint8).argmax(0)


@lru_cache(maxsize=8)
def coset_partitions(group: FiniteGroup) -> CosetPartitions:
    """`CosetPartitions` of a group, made once."""
    return CosetPartitions(group)


def prepare_cosets(context: RunContext) -> None:
    """Compute what analyses of cosets compute on first use, before threads share it."""
    for frame in coset_frames(context):
        _ = coset_partitions(frame.group), context.bases[frame].pairs


def _products(
    f_hat: Float[Tensor, "irrep row column unit"], i: Int[Tensor, "pair"], j: Int[Tensor, "pair"]
) -> Float[Tensor, "irrep_and_pair unit"]:
    """sum_k f[k, i] f[k, j], of one irrep after the other."""
    products = f_hat[:, 0, i] * f_hat[:, 0, j]
    for row in range(1, f_hat.shape[1]):
        products.addcmul_(f_hat[:, row, i], f_hat[:, row, j])
    return products.flatten(0, 1)


def _upper(matrix: Float[np.ndarray, "d d"]) -> Float[np.ndarray, " pair"]:
    """Coefficients m with <S, matrix> = sum_{i <= j} m[i, j] S[i, j] for symmetric matrices."""
    i, j = np.triu_indices(len(matrix))
    return matrix[i, j] * np.where(i == j, 1.0, 2.0)
