"""Groups of parameters, as settings name them."""

from __future__ import annotations

from typing import Literal

GroupName = Literal["attention", "mlp", "ln", "ln_final", "pos_embed", "biases", "embed", "unembed"]
"""The role of a parameter. Every parameter has one role, and belongs to the group of that name alone."""

ScopeName = Literal["decoder", "attention", "mlp", "ln", "ln_final", "pos_embed", "biases", "embed", "unembed"]
GroupValues = tuple[tuple[GroupName, float], ...]
"""A number for each of some parameter groups."""

Heads = Literal["joined", "per_head"]
"""Whether the matrices of an attention layer's heads are taken together, or each for itself."""

LmoName = Literal["auto", "spectral", "sign", "col_norm", "row_norm", "bias_rms"]
GroupLmos = tuple[tuple[GroupName, LmoName], ...]
"""A norm for each of some parameter groups."""
