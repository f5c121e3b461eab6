"""Groups of parameters, as settings name them."""

from __future__ import annotations

from typing import Literal

GroupName = Literal["attention", "mlp", "ln", "ln_final", "pos_embed", "biases", "embed", "unembed"]
"""The role of a parameter. Every parameter has one role, and belongs to the group of that name alone."""

ScopeName = Literal["decoder", "attention", "mlp", "ln", "ln_final", "pos_embed", "biases", "embed", "unembed"]
Scope = tuple[str, ...]
"""Parameters by the names of groups (`ScopeName`) and by patterns of their own names: `blocks.*.mlp.W_in`."""


def is_pattern(entry: str) -> bool:
    """Whether an entry of a scope is a pattern of parameter names, and not the name of a group."""
    return "." in entry or "*" in entry


GroupValues = tuple[tuple[GroupName, float], ...]
"""A number for each of some parameter groups."""

Unit = Literal["tensors", "rows"]
"""Whether a norm is that of each tensor, or of each row."""

Held = Literal["none", "tensors", "rows"]
"""What keeps its norm: nothing, each tensor, or each row."""

Zeros = Literal["free", "held"]
"""What becomes of what is zero at the start, and so has no norm that it could be scaled to: it stays free, or zero."""

Heads = Literal["joined", "per_head"]
"""Whether the matrices of an attention layer's heads are taken together, or each for itself."""

LmoName = Literal["auto", "spectral", "sign", "col_norm", "row_norm", "bias_rms"]
GroupLmos = tuple[tuple[GroupName, LmoName], ...]
"""A norm for each of some parameter groups."""
