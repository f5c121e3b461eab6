"""A step as a fixed list of calls on fixed memory.

Shapes of a step depend on the number of examples alone, so its arrays are allocated once, and each product and each
loop is bound to its operands once. What is left for a step is to make the calls one after another.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from grokscope.blas import product
from grokscope.model import UNEMBEDDING, Weights, memory_order

Call = Callable[[], object]


class Parameters:
    """Weights as matrices [in, out] and vectors, and where their gradients go: views of memory that others change.

    Arguments:
        weights: a complete state dict, in memory as `grokscope.model.memory_order` says.
        gradients: where to write the gradient of each trained parameter, in the same order.
    """

    def __init__(self, weights: Weights, gradients: Weights) -> None:
        self._weights = {name: value.detach() for name, value in weights.items()}
        self._gradients = {name: value.detach() for name, value in gradients.items()}

    def has(self, name: str | None) -> bool:
        """Whether there is such a parameter, and it is trained."""
        return name in self._gradients

    def matrix(self, name: str) -> Tensor:
        return as_stored_matrix(name, self._weights[name])

    def d_matrix(self, name: str) -> Tensor:
        return as_stored_matrix(name, self._gradients[name])

    def vector(self, name: str | None, like: Tensor) -> Tensor:
        """A bias or gain, flat; zeros of the size of `like` where it is not trained."""
        return self._weights[name].view(-1) if name is not None and self.has(name) else torch.zeros_like(like)

    def d_vector(self, name: str | None, like: Tensor) -> Tensor:
        """Where the gradient of a bias or gain goes; nobody looks there where it is not trained."""
        return self._gradients[name].view(-1) if name is not None and self.has(name) else torch.zeros_like(like)


def as_stored_matrix(name: str, value: Tensor) -> Tensor:
    """A parameter as the matrix [in, out] that lies in its memory, heads joined."""
    order = memory_order(name)
    if name == UNEMBEDDING and value.T.is_contiguous():  # of a tied network: rows of the embedding
        return value
    stored = value if order is None else value.permute(order)
    if not stored.is_contiguous():
        raise ValueError(f"{name} does not lie in memory as grokscope.model.memory_order says: use FlatParameters")
    # W_O is [head, d_head, d_model]; queries, keys and values are [d_model, head, d_head] in memory.
    return stored.view(stored.shape[0], -1) if order is not None else stored.view(-1, stored.shape[-1])


class Program:
    """Calls that are added when a network is laid out, and made at every step.

    Arguments:
        parameters: of the network.
        backward: whether gradients are computed too.
    """

    def __init__(self, parameters: Parameters, dtype: torch.dtype, *, backward: bool) -> None:
        self.parameters, self.dtype, self.has_backward = parameters, dtype, backward
        self.calls: list[Call] = []
        self.n_shared_calls = 0
        """How many of them, from the first, depend on the weights alone, and not on the examples."""
        self.flops = 0
        """Floating-point operations of all products."""
        self._scratch: dict[tuple[str, tuple[int, ...]], Tensor] = {}

    def empty(self, *shape: int) -> Tensor:
        """Memory of its own."""
        return torch.empty(shape, dtype=self.dtype)

    def zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, dtype=self.dtype)

    def scratch(self, name: str, *shape: int) -> Tensor:
        """Memory that every caller of the same name and shape shares: for what is used up at once."""
        key = (name, shape)
        if key not in self._scratch:
            self._scratch[key] = self.empty(*shape)
        return self._scratch[key]

    def add(self, function: Callable[..., object], *arguments: Any, **keywords: Any) -> None:
        """Call a function of tensors."""
        self.calls.append(partial(function, *arguments, **keywords))

    def loop(self, kernel: Callable[..., object], *arguments: Tensor | np.ndarray | int | float) -> None:
        """Call a compiled loop, which sees tensors as arrays."""
        self.calls.append(partial(kernel, *(a.numpy() if isinstance(a, Tensor) else a for a in arguments)))

    def multiply(self, a: Tensor, b: Tensor, out: Tensor) -> None:
        """out = a @ b."""
        self.flops += 2 * a.shape[0] * a.shape[1] * b.shape[1]
        self.calls.append(product(a, b, out))
