"""Balls of norms, and the direction of steepest descent in each.

The linear minimisation oracle of a norm's unit ball is lmo(d) = argmin_{||x|| <= 1} <d, x>, and <d, -lmo(d)> is the
dual norm of d. For matrices `[out, in]`, with rms(v) = sqrt(mean(v^2)):

    norm        unit ball                                     -lmo(d)
    spectral    sigma_max(x) <= sqrt(d_out / d_in)            sqrt(d_out / d_in) orthogonalised(d)
    sign        max |x_ij| <= 1 / d_in                        sign(d) / d_in
    col_norm    rms of every column <= 1                      column / rms(column)
    row_norm    ||row||_2 <= 1 / sqrt(d_in)                   row / (sqrt(d_in) ||row||_2)
    bias_rms    rms(x) <= 1          (vectors)                d / rms(d)

Source: Pethick et al. 2025, "Training deep learning models with norm-constrained LMOs", table 2 and its code.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.config import LmoName
from grokscope.optimizers.orthogonal import orthogonalised, orthogonalised_values

SPECTRAL_EXCESS = float(orthogonalised_values(torch.linspace(0, 1, 100_001, dtype=torch.float64)).max())
"""The largest singular value that Newton-Schulz gives: how far outside the unit ball the spectral direction may end."""


def resolved(lmo: LmoName, is_matrix: bool) -> LmoName:
    """bias_rms for a vector, whatever the norm of its group's matrices (b_U beside W_U); auto is spectral for these."""
    if not is_matrix:
        return "bias_rms"
    return "spectral" if lmo == "auto" else lmo


def direction(lmo: LmoName, d: Float[Tensor, "*head out in"] | Float[Tensor, "..."]) -> Tensor:
    """-lmo(d) on the unit ball. Zeros give zeros."""
    # Below this squares underflow: an average that decays to nothing then gives a direction that does.
    floor = torch.finfo(d.dtype).tiny ** 0.5
    if lmo == "bias_rms":
        return d / d.square().mean().sqrt().clamp(min=floor)
    d_out, d_in = d.shape[-2:]
    if lmo == "spectral":
        return orthogonalised(d) * (d_out / d_in) ** 0.5
    if lmo == "sign":
        return d.sign() / d_in
    if lmo == "col_norm":
        return d / d.square().mean(-2, keepdim=True).sqrt().clamp(min=floor)
    if lmo == "row_norm":
        return d / (d_in**0.5 * torch.linalg.vector_norm(d, dim=-1, keepdim=True).clamp(min=floor))
    raise ValueError(f"lmo = {lmo!r} is not accepted: use spectral, sign, col_norm, row_norm or bias_rms")


def norm(lmo: LmoName, x: Float[Tensor, "*head out in"] | Float[Tensor, "..."]) -> float:
    """The norm whose unit ball that is; of several heads, the largest."""
    if lmo == "bias_rms":
        return float(x.square().mean().sqrt())
    d_out, d_in = x.shape[-2:]
    if lmo == "spectral":
        return float(torch.linalg.matrix_norm(x, 2).max()) * (d_in / d_out) ** 0.5
    if lmo == "sign":
        return float(x.abs().max()) * d_in
    if lmo == "col_norm":
        return float(x.square().mean(-2).max()) ** 0.5
    if lmo == "row_norm":
        return float(torch.linalg.vector_norm(x, dim=-1).max()) * d_in**0.5
    raise ValueError(f"lmo = {lmo!r} is not accepted: use spectral, sign, col_norm, row_norm or bias_rms")
