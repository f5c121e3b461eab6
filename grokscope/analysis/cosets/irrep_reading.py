"""The irrep reading of functions on pairs: matrix products of one representation, fitted by least squares.

    X[a, b] ~ m + <M1, rho(a)> + <M2, rho(b)> + <M3, rho(a * b)>              1 + 3 span_dim(rho) parameters

Source: Chughtai, Chan, Nanda 2023, "A Toy Model of Universality: Reverse Engineering how Networks Learn Group
Operations" (ICML), sections 3 and 4: embeddings hold rho(a) and rho(b), and the MLP computes rho(ab).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokscope.engine.linear import matmul_transposed
from grokscope.groups import FiniteGroup

RANK = 1e-8
"""Singular values below this share of the largest are zero."""
EXACT = 1e-6
"""Share of the sum of squares below which a residual is rounding."""


def criterion(
    explained: Float[Tensor, "*model unit"], total: Float[Tensor, "unit"], parameters: Int[Tensor, "..."], pairs: int
) -> Float[Tensor, "*model unit"]:
    """N ln(residual sum of squares) + parameters ln N, by which a model is chosen on the N pairs that it is fitted on.

    The smaller the better: a larger model has to explain more than it does of noise.
    Source: Schwarz 1978, "Estimating the dimension of a model".
    """
    residual = torch.maximum(total - explained, EXACT * total).clamp(min=torch.finfo(total.dtype).tiny)
    return pairs * residual.log() + parameters * np.log(pairs)


@dataclass(frozen=True, eq=False)
class Fitted:
    """What the irrep chosen for each unit says about the pairs that it was not fitted on."""

    irrep: Int[np.ndarray, " unit"]
    """Index into `group.irreps`."""
    parameters: Int[np.ndarray, " unit"]
    """Independent on the fitted pairs: the rank of the least squares problem."""
    predicted: Float[Tensor, "held_out unit"]


class IrrepReading:
    """Least squares on some pairs of a group, solved once for all functions.

    Arguments:
        group: whose irreps, but for the trivial one.
        fit: the pairs to fit on; the others are held out.
    """

    def __init__(self, group: FiniteGroup, fit: Bool[np.ndarray, "a b"]) -> None:
        columns, of_column = group.fourier_basis() * np.sqrt(group.order), group.fourier_irreps()
        (a, b), (c, d) = np.nonzero(fit), np.nonzero(~fit)
        solve, predict, ranks = [], [], []
        for irrep in range(1, len(group.irreps)):
            f = columns[:, of_column == irrep]
            fitted, held_out = _design(group, f, a, b), _design(group, f, c, d)
            left, singular, right = np.linalg.svd(fitted, full_matrices=False)
            rank = int((singular > RANK * singular[0]).sum())
            solve.append(left[:, :rank].T)
            predict.append(held_out @ (right[:rank].T / singular[:rank]))
            ranks.append(rank)
        self.ranks: Int[np.ndarray, " irrep"] = np.array(ranks)
        """Of each irrep but the trivial one."""
        self._solve = torch.from_numpy(np.concatenate(solve))
        self._predict = [torch.from_numpy(x) for x in predict]

    def fit(self, x: Float[Tensor, "fitted unit"]) -> Fitted:
        """Fit every irrep to every unit, choose by `criterion`, and predict the other pairs.

        Arguments:
            x: at the pairs to fit on, in the order of `numpy.nonzero`; without its mean, which float32 may need.
        """
        solve = self._solve.to(x.dtype)
        parts = matmul_transposed(solve, x.T).split(self.ranks.tolist())
        explained = torch.stack([part.square().sum(0) for part in parts])
        parameters = torch.from_numpy(self.ranks)[:, None]
        best = criterion(explained, x.square().sum(0), parameters, len(x)).argmin(0)
        predicted = x.new_empty((len(self._predict[0]), x.shape[1]))
        for i, (part, predict) in enumerate(zip(parts, self._predict, strict=True)):
            mine = best == i
            predicted[:, mine] = matmul_transposed(predict.to(x.dtype), part[:, mine].T)
        return Fitted(best.numpy() + 1, self.ranks[best.numpy()], predicted)


def _design(
    group: FiniteGroup,
    f: Float[np.ndarray, "element span"],
    a: Int[np.ndarray, " pair"],
    b: Int[np.ndarray, " pair"],
) -> Float[np.ndarray, "pair parameter"]:
    return np.concatenate([np.ones((len(a), 1)), f[a], f[b], f[group.table[a, b]]], axis=1)
