"""The nearest (semi-)orthogonal matrix, roughly, by products alone.

For G = U S V^T the polar factor is U V^T. A quintic in X drives all singular values towards 1 without a decomposition:

    X_0 = G / ||G||_F,   X <- a X + (b A + c A^2) X   with A = X X^T,   (a, b, c) = (3.4445, -4.7750, 2.0315)

Five steps leave the singular values between about 0.7 and 1.2, which is as good for an update as 1.
Source: Jordan et al. 2024 (Muon; Newton-Schulz iteration and coefficients).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
STEPS = 5
_EPS = 1e-7


def orthogonalised(matrix: Float[Tensor, "*head out in"], steps: int = STEPS) -> Float[Tensor, "*head out in"]:
    """U s(S) V^T of each matrix U S V^T, where s is `steps` Newton-Schulz quintics of S / ||S||_2.

    Computed in the matrix's own dtype (the published code uses bfloat16). Zeros give zeros.
    """
    a, b, c = COEFFICIENTS
    wide = matrix if matrix.shape[-2] <= matrix.shape[-1] else matrix.mT
    x = wide / (torch.linalg.vector_norm(wide, dim=(-2, -1), keepdim=True) + _EPS)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if matrix.shape[-2] <= matrix.shape[-1] else x.mT


def orthogonalised_values(singular: Float[Tensor, "..."], steps: int = STEPS) -> Float[Tensor, "..."]:
    """What `orthogonalised` makes of singular values of a matrix of Frobenius norm 1: s <- a s + b s^3 + c s^5."""
    a, b, c = COEFFICIENTS
    for _ in range(steps):
        singular = a * singular + b * singular**3 + c * singular**5
    return singular
