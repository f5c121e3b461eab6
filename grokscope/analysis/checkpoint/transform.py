"""The transform of an activation over all pairs, reduced to what analyses read of it.

The transform X^ (see `basis`) is as large as the activation: 1.5 GB for the logits of S6. Functions of a alone, of b
alone and of a * b lie in its first column, its first row and its diagonal blocks (rho, rho), a fraction of it. Units
(neurons, answers) have nothing to do with each other, so that the transform is made for some units at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.analysis.checkpoint.basis import GridBasis, unit_variances


@dataclass(frozen=True, eq=False)
class Transform:
    """Parts of the transform X^ `[column, column, unit]` of an activation."""

    basis: GridBasis
    left: Float[Tensor, "column unit"]
    """X^[i, 0]: functions of a."""
    right: Float[Tensor, "column unit"]
    """X^[0, j]: functions of b."""
    diagonal: tuple[Float[Tensor, "irrep s_squared unit"], ...]
    """The blocks (rho, rho), in the order of `GridBasis.blocks`."""
    variance: Float[Tensor, "unit"]
    """`unit_variances`."""

    @staticmethod
    def of(basis: GridBasis, x_hats: Iterable[Float[Tensor, "column column unit"]]) -> Transform:
        """Of the transforms of some units after the other."""
        parts = [
            (
                x_hat[:, 0].clone(),
                x_hat[0].clone(),
                *(blocks.of(x_hat) for blocks in basis.blocks),
                unit_variances(x_hat),
            )
            for x_hat in x_hats
        ]
        left, right, *diagonal, variance = (torch.cat(each, dim=-1) for each in zip(*parts, strict=True))
        return Transform(basis, left, right, tuple(diagonal), variance)

    @cached_property
    def product(self) -> Float[Tensor, "column unit"]:
        """H^ = F^T H of H[g] = (1/n) sum_{a * b = g} X[a, b]."""
        return self._coefficients([blocks.product for blocks in self.basis.blocks])

    @cached_property
    def quotient(self) -> Float[Tensor, "column unit"]:
        """The same for the means over a * b^-1 = d."""
        return self._coefficients([blocks.quotient for blocks in self.basis.blocks])

    def _coefficients(self, maps: list[Float[Tensor, "irrep s s_squared"]]) -> Float[Tensor, "column unit"]:
        coefficients = torch.empty_like(self.left)
        for blocks, of_argument, diagonal in zip(self.basis.blocks, maps, self.diagonal, strict=True):
            parts = torch.bmm(of_argument.to(diagonal.dtype), diagonal)
            coefficients[blocks.columns.flatten()] = parts.flatten(0, 1)
        return coefficients / self.basis.n

    @cached_property
    def diagonal_energy(self) -> Float[Tensor, "irrep unit"]:
        """Sum of squares of the transform in every diagonal block (rho, rho)."""
        energy = self.left.new_empty((len(self.basis.spans), self.left.shape[-1]))
        for blocks, diagonal in zip(self.basis.blocks, self.diagonal, strict=True):
            energy[blocks.irreps] = diagonal.square().sum(1)
        return energy

    def block(self, irrep: int) -> Float[Tensor, "s_squared unit"]:
        """The diagonal block of one irrep."""
        for blocks, diagonal in zip(self.basis.blocks, self.diagonal, strict=True):
            places = (blocks.irreps == irrep).nonzero()
            if len(places):
                return diagonal[int(places)]
        raise ValueError(f"irrep = {irrep} does not exist; accepted: 0 to {len(self.basis.spans) - 1}")
