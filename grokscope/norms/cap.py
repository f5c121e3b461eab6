"""A bound on a norm of every matrix, relative to its norm at the start.

    W <- W min(1, k ||W_0|| / ||W||)

with the Frobenius norm or the spectral norm (largest singular value). Beside the bound on rows it is the other norm
control: one number a matrix instead of one a row.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.config import Heads, NormConfig
from grokscope.model import Weights, as_matrix, in_scope, is_matrix


def frobenius_norm(matrix: Float[Tensor, "*head out in"]) -> Float[Tensor, "*head"]:
    """sqrt(sum of squares) of each matrix."""
    return torch.linalg.vector_norm(matrix, dim=(-2, -1))


def spectral_norm(matrix: Float[Tensor, "*head out in"]) -> Float[Tensor, "*head"]:
    """The largest singular value of each matrix: root of the largest eigenvalue of the smaller Gram matrix.

    The Gram matrix squares the condition number, which blurs small singular values and leaves the largest exact to
    rounding; it is an order of magnitude faster than the singular values.
    """
    narrow = matrix if matrix.shape[-2] <= matrix.shape[-1] else matrix.mT
    return torch.linalg.eigvalsh(narrow @ narrow.mT)[..., -1].clamp(min=0.0).sqrt()


_NORMS = {"frobenius": frobenius_norm, "spectral": spectral_norm}


class MatrixCap:
    """The cap of a config on some parameters.

    Arguments:
        config: kind of norm, ratio and scope.
        start: the weights that bounds are relative to.
        names: the parameters that there are.
    """

    def __init__(self, config: NormConfig, start: Weights, names: Iterable[str]) -> None:
        self._heads: Heads = config.cap_heads
        self._norm = None if config.cap == "none" else _NORMS[config.cap]
        self._is_spectral = config.cap == "spectral"
        chosen = () if self._norm is None else filter(is_matrix, in_scope(names, config.cap_scope))
        self.bounds: dict[str, Float[Tensor, "*head"]] = {
            name: config.cap_ratio * self.norm_of(name, start[name].detach()) for name in chosen
        }
        """The bound on every capped matrix."""

    def norm_of(self, name: str, value: Tensor) -> Float[Tensor, "*head"]:
        """The norm that is capped."""
        assert self._norm is not None
        return self._norm(as_matrix(name, value, self._heads))

    @torch.no_grad()
    def apply_(self, weights: Weights) -> None:
        """Scale every matrix above its bound down to it, in place; others stay bit for bit."""
        for name, bound in self.bounds.items():
            value = weights[name]
            # The Frobenius norm is never below the spectral norm, and cheap.
            if self._is_spectral and bool((frobenius_norm(as_matrix(name, value, self._heads)) <= bound).all()):
                continue
            norm = self.norm_of(name, value)
            factor = torch.where(norm > bound, bound / norm, 1.0)
            value.mul_(factor[:, None, None] if factor.ndim else factor)
