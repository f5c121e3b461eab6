"""All trained parameters in one buffer.

Adam, Lion, SGD and SignSGD treat every entry alike, so one tensor that holds all of them can be updated
by one kernel instead of one per parameter. The weights are views into the buffer: what the optimizer or
a clip writes, the network reads.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.model import Weights, memory_order


class FlatParameters:
    """Named views into one parameter vector, and one gradient vector of the same layout.

    Arguments:
        weights: a state dict; its tensors are copied.
        names: the parameters to train; the rest is kept as it is.
        device: where to put everything.
    """

    def __init__(self, weights: Weights, names: Iterable[str], device: str | torch.device = "cpu") -> None:
        self.names = tuple(names)
        # Tensors as they lie in memory (see `memory_order`).
        stored = [_to_memory(name, weights[name].detach().to(device)) for name in self.names]
        self.vector: Float[Tensor, "parameter"] = torch.cat([value.flatten() for value in stored]).requires_grad_()
        self.vector.grad = torch.zeros_like(self.vector)
        self._stored_shapes = [value.shape for value in stored]
        views = self.views(self.vector.detach())
        self.weights: Weights = {
            name: views[name].requires_grad_() if name in views else value.detach().to(device)
            for name, value in weights.items()
        }
        """A complete state dict whose trained tensors share memory with `vector`."""

    @property
    def gradient(self) -> Float[Tensor, "parameter"]:
        """The gradient vector: one piece of memory, for as long as there are parameters."""
        assert self.vector.grad is not None
        return self.vector.grad

    @property
    def leaves(self) -> list[Tensor]:
        """The trained tensors, to differentiate with respect to."""
        return [self.weights[name] for name in self.names]

    def views(self, vector: Float[Tensor, "parameter"]) -> Weights:
        """A vector of this layout as named tensors that share its memory."""
        parts = vector.split([shape.numel() for shape in self._stored_shapes])
        return {
            name: _from_memory(name, part.view(shape))
            for name, part, shape in zip(self.names, parts, self._stored_shapes, strict=True)
        }

    def set_gradient(self, grads: Iterable[Tensor | None]) -> Float[Tensor, "parameter"]:
        """Write the gradients of `leaves`, in their order, into the gradient vector, and return it.

        None stands for zeros: a parameter that the loss does not depend on.
        """
        parts = [
            _to_memory(name, torch.zeros_like(self.weights[name]) if value is None else value).reshape(-1)
            for name, value in zip(self.names, grads, strict=True)
        ]
        return torch.cat(parts, out=self.gradient)


def _to_memory(name: str, value: Tensor) -> Tensor:
    """The tensor with its dimensions in memory order: a view."""
    order = memory_order(name)
    return value if order is None else value.permute(order)


def _from_memory(name: str, value: Tensor) -> Tensor:
    """The inverse of `_to_memory`."""
    order = memory_order(name)
    return value if order is None else value.permute([order.index(dim) for dim in range(len(order))])
