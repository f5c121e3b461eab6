"""The Fourier basis of a group on the grid of all pairs (a, b): transforms, marginals, functions of a * b.

With F `[element, column]` the orthonormal basis of functions on G (`FiniteGroup.fourier_basis`), the products
F[a, i] F[b, j] are an orthonormal basis of the functions on G x G, and

    X^[i, j] = sum_ab F[a, i] X[a, b] F[b, j]                                          (two matrix products)

Column 0 is the constant, so X^[i, 0] are the functions of a alone and X^[0, j] those of b alone. If column i
belongs to the irrep rho and j to sigma, X^[i, j] lies in the block (rho, sigma). Functions of the product lie in
the diagonal blocks: every matrix entry of rho(a * b) = rho(a) rho(b) is a sum of products of entries of rho(a)
and rho(b). For Z_n that is cos(w(a + b)) = cos wa cos wb - sin wa sin wb, and the block (k, k) has 4 products.

A grid may hold more operand tokens than the group has elements, in any order (0 under multiplication): the basis
is zero on the others, and the transform leaves them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from grokscope.analysis.checkpoint.blocks import in_blocks
from grokscope.engine.linear import matmul_transposed
from grokscope.groups import FiniteGroup


class GridBasis:
    """The Fourier basis of a group on a grid of operand tokens.

    Arguments:
        group: of order n.
        left, right: `[element]`, the row (column) of the grid that stands for each element.
        shape: numbers of rows and columns of the grid.
    """

    def __init__(
        self,
        group: FiniteGroup,
        left: Int[np.ndarray, " element"] | None = None,
        right: Int[np.ndarray, " element"] | None = None,
        shape: tuple[int, int] | None = None,
    ) -> None:
        self.group, self.n = group, group.order
        self.left = np.arange(self.n) if left is None else left
        self.right = np.arange(self.n) if right is None else right
        self.shape = (self.n, self.n) if shape is None else shape
        self.F: Float[Tensor, "element column"] = torch.from_numpy(group.fourier_basis().copy())
        starts = np.cumsum([0, *(irrep.span_dim for irrep in group.irreps)])
        self.spans = tuple(slice(int(a), int(b)) for a, b in pairwise(starts))
        """The columns of each irrep, in the order of `group.irreps`."""
        every = np.arange(self.n)
        self._is_whole = self.shape == (self.n, self.n) and (every == self.left).all() and (every == self.right).all()
        """Whether the grid holds the elements alone, in their order."""
        self.F_left: Float[Tensor, "row column"] = _spread(self.F, self.left, self.shape[0])
        self.F_right: Float[Tensor, "col column"] = _spread(self.F, self.right, self.shape[1])

    @cached_property
    def pairs(self) -> Int[Tensor, "product left"]:
        """pairs[g, a]: where, in the flattened grid, the pair (a, a^-1 g) is, whose product is g."""
        return self._flat(self.group.table[self.group.inverse].T)

    @cached_property
    def quotients(self) -> Int[Tensor, "quotient left"]:
        """quotients[d, a]: where, in the flattened grid, the pair (a, d^-1 a) is, for which a * b^-1 = d."""
        return self._flat(self.group.table[self.group.inverse])

    def _flat(self, right_element: Int[np.ndarray, "g a"]) -> Int[Tensor, "g a"]:
        return torch.from_numpy(self.left[None, :] * self.shape[1] + self.right[right_element])

    def transform(self, x: Float[Tensor, "row col unit"]) -> Float[Tensor, "column column unit"]:
        """X^[i, j] = sum_ab F[a, i] X[a, b] F[b, j], in the precision of x."""
        rows, cols, units = x.shape
        left, right = self.F_left.to(x.dtype), self.F_right.to(x.dtype)
        half = matmul_transposed(left.T.contiguous(), x.reshape(rows, cols * units).T)
        return torch.matmul(right.T, half.view(self.n, cols, units))

    def marginals(
        self, x: Float[Tensor, "row col unit"]
    ) -> tuple[Float[Tensor, "element unit"], Float[Tensor, "element unit"], Float[Tensor, "element unit"]]:
        """Means of x over the group's grid, given a, given b, and given a * b: the nearest functions of each."""
        columns = torch.from_numpy(self.right)
        rows = torch.from_numpy(self.left)
        of_b = torch.einsum("rcu,r->cu", x, _indicator(rows, self.shape[0], x) / self.n)[columns]
        of_a = torch.einsum("rcu,c->ru", x, _indicator(columns, self.shape[1], x) / self.n)[rows]
        return of_a, of_b, self.product_means(x)

    def product_means(self, x: Float[Tensor, "row col unit"]) -> Float[Tensor, "element unit"]:
        """H[g] = (1/n) sum_{a * b = g} X[a, b], the projection of x on functions of a * b."""
        flat = rearrange(x, "row col unit -> (row col) unit")
        blocks = in_blocks(self.n, self.n * x.shape[-1])
        return torch.cat(
            [reduce(flat[self.pairs[block]], "product left unit -> product unit", "mean") for block in blocks]
        )

    def on_grid(self, x: Shaped[Tensor, "row col *rest"]) -> Shaped[Tensor, "element element *rest"]:
        """x at the pairs of group elements, in their order."""
        if self._is_whole:
            return x
        return x[torch.from_numpy(self.left)][:, torch.from_numpy(self.right)]

    @cached_property
    def blocks(self) -> tuple[Blocks, ...]:
        """The diagonal blocks (rho, rho), those of one size together."""
        by_size: dict[int, list[int]] = {}
        for index, span in enumerate(self.spans):
            by_size.setdefault(span.stop - span.start, []).append(index)
        products, quotients = self.group.table, self.group.table[:, self.group.inverse]
        of_sizes = []
        for irreps in by_size.values():
            columns = torch.stack([torch.arange(self.spans[i].start, self.spans[i].stop) for i in irreps])
            maps = [torch.stack([self._map(self.spans[i], x) for i in irreps]) for x in (products, quotients)]
            of_sizes.append(Blocks(torch.tensor(irreps), columns, *maps))
        return tuple(of_sizes)

    def _map(self, span: slice, argument: Int[np.ndarray, "a b"]) -> Float[Tensor, "m ij"]:
        f, index = self.F[:, span], torch.tensor(argument)
        parts = [f.T @ f[index, m].permute(2, 0, 1) @ f for m in in_blocks(f.shape[1], self.n**2)]  # [m, a, b] between
        return torch.cat(parts).flatten(1)

    def by_irrep(self, coefficients: Float[Tensor, "column *rest"]) -> Float[Tensor, "irrep *rest"]:
        """Sum of squares over the columns of each irrep."""
        return self._sum_columns(coefficients.square())

    def block_energy(self, x_hat: Float[Tensor, "column column unit"]) -> Float[Tensor, "irrep irrep unit"]:
        """Sum of squares of the transform in every block (rho, sigma)."""
        rows = self.by_irrep(x_hat)  # [rho, j, unit]
        return self._sum_columns(rows.transpose(0, 1)).transpose(0, 1)

    def _sum_columns(self, squares: Float[Tensor, "column *rest"]) -> Float[Tensor, "irrep *rest"]:
        out = squares.new_zeros((len(self.spans), *squares.shape[1:]))
        return out.index_add_(0, torch.from_numpy(self.group.fourier_irreps()), squares)


@dataclass(frozen=True, eq=False)
class Blocks:
    """The diagonal blocks of irreps whose spans have one dimension s."""

    irreps: Int[Tensor, "irrep"]
    columns: Int[Tensor, "irrep s"]
    product: Float[Tensor, "irrep s s_squared"]
    """M with F[a * b, m] = sum_ij M[m, ij] F[a, i] F[b, j]."""
    quotient: Float[Tensor, "irrep s s_squared"]
    """The same for a * b^-1."""

    def of(self, x_hat: Float[Tensor, "column column unit"]) -> Float[Tensor, "irrep s_squared unit"]:
        """The transform in these blocks."""
        return x_hat[self.columns[:, :, None], self.columns[:, None, :]].flatten(1, 2)


def unit_variances(x_hat: Float[Tensor, "column column unit"]) -> Float[Tensor, "unit"]:
    """Sum over pairs of each unit's squared deviation from its mean; 0 where it is constant up to rounding.

    Up to a thousand times the precision of the unit's mean, for where weights are large, what goes into it is rounded
    before it is made small (one was seen to vary by 290 times); and up to ten times the precision of all units, for
    gelu is 0 on its far left up to that. Processors differ in both.
    """
    flat = x_hat.flatten(0, 1)
    # Without the mean, whose square would drown a small variance in float32.
    variance, mean = flat[1:].square().sum(0).double(), flat[0].double().square()
    rounding = torch.finfo(x_hat.dtype).eps ** 2 * (1e6 * mean).clamp_min(1e2 * float((mean + variance).mean()))
    return torch.where(variance > rounding, variance, 0.0)


def _spread(f: Float[Tensor, "element column"], rows: Int[np.ndarray, " element"], size: int) -> Tensor:
    spread = f.new_zeros((size, f.shape[1]))
    spread[torch.from_numpy(rows)] = f
    return spread


def _indicator(index: Tensor, size: int, like: Tensor) -> Tensor:
    out = like.new_zeros(size)
    out[index] = 1.0
    return out
