"""A parameter as the matrix that it multiplies by, `[out, in]`, and back.

`HookedTransformer` stores most matrices as [in, out], and those of attention per head. Whatever speaks of rows and
columns, of fan-in and fan-out or of singular values sees a parameter through `as_matrix`.

    W_E, W_pos       [vocab, d_model]          -> [d_model, vocab]: the input is a one-hot token (position)
    W_Q, W_K, W_V    [head, d_model, d_head]   -> [head d_head, d_model] joined, [head, d_head, d_model] per head
    W_O              [head, d_head, d_model]   -> [d_model, head d_head] joined, [head, d_model, d_head] per head
    W_in             [d_model, d_mlp]          -> [d_mlp, d_model]
    W_out            [d_mlp, d_model]          -> [d_model, d_mlp]
    W_U              [d_model, vocab]          -> [vocab, d_model]

Joined is what nn.MultiheadAttention stores, a third of its in_proj_weight for each of queries, keys and values.
A row of the matrix is the row that is clipped (`grokscope.norms.row_dims`), with two exceptions: the vectors of tokens
and positions are columns here, and the heads of W_O share the clipped row.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from grokscope.config import Heads
from grokscope.model.parameters import role

_INTO_HEADS = "head d_model d_head"
_OUT_OF_HEADS = "head d_head d_model"
_STORED = {
    "W_E": "token d_model",
    "W_pos": "position d_model",
    "W_Q": _INTO_HEADS,
    "W_K": _INTO_HEADS,
    "W_V": _INTO_HEADS,
    "W_O": _OUT_OF_HEADS,
    "W_in": "d_model d_mlp",
    "W_out": "d_mlp d_model",
    "W_U": "d_model answer",
}
"""The axes of every matrix as `HookedTransformer` stores it."""

_JOINED = {_INTO_HEADS: "(head d_head) d_model", _OUT_OF_HEADS: "d_model (head d_head)"}
"""The axes of the matrices of attention with their heads joined."""


def is_matrix(name: str) -> bool:
    """Whether a parameter is a matrix; biases and LayerNorm gains are vectors."""
    role(name)  # refuses unknown names
    return name.rpartition(".")[2] in _STORED


def as_matrix(name: str, value: Tensor, heads: Heads = "joined") -> Float[Tensor, "*head out in"]:
    """The parameter as `[out, in]`, with the heads before it where they are apart: a view wherever there is one.

    Raises ValueError for a vector.
    """
    stored, seen = _axes(name, heads)
    return _rearranged(value, f"{stored} -> {seen}")


def from_matrix(
    name: str, matrix: Float[Tensor, "*head out in"], shape: Sequence[int], heads: Heads = "joined"
) -> Float[Tensor, "..."]:
    """The inverse of `as_matrix`: a matrix in the shape of the parameter, a view wherever there is one.

    Raises ValueError for a vector.
    """
    stored, seen = _axes(name, heads)
    sizes = {"head": shape[0]} if "head" in stored else {}
    return _rearranged(matrix, f"{seen} -> {stored}", **sizes)


def write_matrix_(name: str, value: Tensor, matrix: Float[Tensor, "*head out in"], heads: Heads = "joined") -> None:
    """Write a matrix of the form that `as_matrix` gives into the parameter, in place."""
    value.copy_(from_matrix(name, matrix, value.shape, heads))


@cache
def _axes(name: str, heads: Heads) -> tuple[str, str]:
    """The axes of a parameter as it is stored, and those of its matrix."""
    if not is_matrix(name):
        raise ValueError(f"parameter {name!r} is no matrix: use one of {', '.join(_STORED)}")
    stored = _STORED[name.rpartition(".")[2]]
    if heads == "joined" and stored in _JOINED:
        return stored, _JOINED[stored]
    *head, first, second = stored.split()
    return stored, " ".join((*head, second, first))


def _rearranged(value: Tensor, pattern: str, **sizes: int) -> Tensor:
    """`einops.rearrange`, which is given a pattern once: training asks for the same views in every step."""
    view = _view(pattern, value.shape, value.stride(), **sizes)
    return rearrange(value, pattern, **sizes) if view is None else value.as_strided(*view)


@cache
def _view(
    pattern: str, shape: torch.Size, stride: tuple[int, ...], **sizes: int
) -> tuple[torch.Size, tuple[int, ...]] | None:
    """Shape and stride of the view that a pattern makes of such a tensor; None where it makes a copy."""
    rearranged = rearrange(torch.empty_strided(shape, stride, device="meta"), pattern, **sizes)
    return (rearranged.shape, rearranged.stride()) if rearranged._is_view() else None
