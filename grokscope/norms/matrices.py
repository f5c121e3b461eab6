"""A parameter as the matrix that it multiplies by, `[out, in]`, and back.

`HookedTransformer` stores most matrices as [in, out], and those of attention per head. Whatever speaks of rows and
columns, fan-in and fan-out, or singular values sees a parameter through `as_matrix` and writes through `write_matrix_`.

    W_E, W_pos       [vocab, d_model]          -> [d_model, vocab]: the input is a one-hot token (position)
    W_Q, W_K, W_V    [head, d_model, d_head]   -> [head d_head, d_model] joined, [head, d_head, d_model] per head
    W_O              [head, d_head, d_model]   -> [d_model, head d_head] joined, [head, d_model, d_head] per head
    W_in             [d_model, d_mlp]          -> [d_mlp, d_model]
    W_out            [d_mlp, d_model]          -> [d_model, d_mlp]
    W_U              [d_model, vocab]          -> [vocab, d_model]

Joined is what nn.MultiheadAttention stores, a third of its in_proj_weight for each of queries, keys and values.
A row of the matrix is the row that is clipped (`row_dims`), but for embeddings, whose token vectors are columns here,
and for the heads of W_O, which share the clipped row.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from grokscope.config import Heads
from grokscope.model import role

_INTO_HEADS = ("W_Q", "W_K", "W_V")
_MATRICES = ("W_E", "W_pos", *_INTO_HEADS, "W_O", "W_in", "W_out", "W_U")


def is_matrix(name: str) -> bool:
    """Whether a parameter is a matrix; biases and LayerNorm gains are vectors."""
    role(name)  # refuses unknown names
    return name.rpartition(".")[2] in _MATRICES


def as_matrix(name: str, value: Tensor, heads: Heads = "joined") -> Float[Tensor, "*head out in"]:
    """The parameter as `[out, in]`, with the heads before it where they are apart: a view wherever there is one.

    Raises ValueError for a vector.
    """
    if not is_matrix(name):
        raise ValueError(f"parameter {name!r} is no matrix: use one of {', '.join(_MATRICES)}")
    leaf = name.rpartition(".")[2]
    if heads == "joined" and leaf in _INTO_HEADS:
        return value.mT.flatten(0, 1)
    if heads == "joined" and leaf == "W_O":
        return value.flatten(0, 1).mT
    return value.mT


def write_matrix_(name: str, value: Tensor, matrix: Float[Tensor, "*head out in"], heads: Heads = "joined") -> None:
    """Write a matrix of the form that `as_matrix` gives into the parameter, in place."""
    leaf = name.rpartition(".")[2]
    if heads == "joined" and leaf in _INTO_HEADS:
        value.copy_(matrix.unflatten(0, (value.shape[0], value.shape[2])).mT)
    elif heads == "joined" and leaf == "W_O":
        value.copy_(matrix.mT.unflatten(0, value.shape[:2]))
    else:
        value.copy_(matrix.mT)
