"""The transform of an activation over all pairs, reduced to what analyses read of it.

The transform X^ (see `basis`) is as large as the activation: 1.5 GB for the logits of S6. Functions of a alone, of b
alone and of a * b lie in its first column, its first row and its diagonal blocks (rho, rho), a fraction of it. Units
(neurons, answers) have nothing to do with each other, so that the transform is made for some units at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.analysis.checkpoint.basis import GridBasis, unit_variances


@dataclass(frozen=True, eq=False)
class Transform:
    """What is read of the transform X^ `[column, column, unit]` of an activation X."""

    basis: GridBasis
    left: Float[Tensor, "column unit"]
    """X^[i, 0]: functions of a."""
    right: Float[Tensor, "column unit"]
    """X^[0, j]: functions of b."""
    product: Float[Tensor, "column unit"]
    """H^ = F^T H of H[g] = (1/n) sum_{a * b = g} X[a, b]."""
    quotient: Float[Tensor, "column unit"]
    """The same for the means over a * b^-1 = d."""
    diagonal_energy: Float[Tensor, "irrep unit"]
    """Sum of squares of X^ in every diagonal block (rho, rho)."""
    variance: Float[Tensor, "unit"]
    """`unit_variances`."""

    @staticmethod
    def of(basis: GridBasis, x_hats: Iterable[Float[Tensor, "column column unit"]]) -> Transform:
        """Of the transforms of some units after the other."""
        parts = [(x_hat[:, 0].clone(), x_hat[0].clone(), *_of_blocks(basis, x_hat)) for x_hat in x_hats]
        return Transform(basis, *(torch.cat(each, dim=-1) for each in zip(*parts, strict=True)))


def _of_blocks(basis: GridBasis, x_hat: Float[Tensor, "column column unit"]) -> tuple[Tensor, ...]:
    """What `Transform` has after `left` and `right`, of some units."""
    product, quotient = (torch.empty_like(x_hat[0]) for _ in range(2))
    energy = x_hat.new_empty((len(basis.spans), x_hat.shape[-1]))
    for blocks in basis.blocks:
        diagonal = blocks.of(x_hat)
        for coefficients, of_argument in ((product, blocks.product), (quotient, blocks.quotient)):
            parts = torch.bmm(of_argument.to(x_hat.dtype), diagonal)
            coefficients[blocks.columns.flatten()] = parts.flatten(0, 1)
        energy[blocks.irreps] = diagonal.square().sum(1)
    return product / basis.n, quotient / basis.n, energy, unit_variances(x_hat)
