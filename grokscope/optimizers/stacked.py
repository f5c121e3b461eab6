"""All trained parameters of several networks in one buffer.

A rule that treats every entry alike does not see where one network ends and the next begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.model import Weights


class StackedParameters:
    """Named views into one parameter vector, and one gradient vector of the same layout, for several networks.

    Every tensor of `weights` has an axis for the networks before all others. What a rule needs of `FlatParameters` is
    here too: `vector`, `gradient`, `names` and `views`.

    Arguments:
        networks: their state dicts, of one architecture; tensors are copied.
        names: the parameters to train; the rest is kept as it is.
        device: where to put everything.
    """

    def __init__(self, networks: Sequence[Weights], names: Iterable[str], device: str | torch.device = "cpu") -> None:
        self.names = tuple(names)
        first = networks[0]
        self._shapes = [first[name].shape for name in self.names]
        rows = [torch.cat([weights[name].detach().flatten() for name in self.names]) for weights in networks]
        self._networks = len(rows)
        self.vector: Float[Tensor, "network_parameter"] = torch.cat(rows).to(device).requires_grad_()
        self.gradient = torch.zeros_like(self.vector, requires_grad=False)
        views = self.views(self.vector.detach())
        self.weights: Weights = {
            name: views[name].requires_grad_()
            if name in views
            else torch.stack([weights[name].detach() for weights in networks]).to(device)
            for name in first
        }
        """Complete state dicts whose trained tensors share memory with `vector`."""

    @property
    def leaves(self) -> list[Tensor]:
        """The trained tensors, to differentiate with respect to."""
        return [self.weights[name] for name in self.names]

    def views(self, vector: Float[Tensor, "network_parameter"]) -> Weights:
        """A vector of this layout as named tensors `[network, ...]` that share its memory."""
        parts = vector.view(self._networks, -1).split([prod(shape) for shape in self._shapes], dim=1)
        return {
            name: part.unflatten(1, shape) for name, part, shape in zip(self.names, parts, self._shapes, strict=True)
        }

    def set_gradient(self, grads: Iterable[Tensor | None]) -> Float[Tensor, "network_parameter"]:
        """Write the gradients of `leaves`, in their order, into the gradient vector, and return it.

        None stands for zeros: a parameter that the loss does not depend on.
        """
        parts = [
            torch.zeros_like(self.weights[name]).flatten(1) if value is None else value.flatten(1)
            for name, value in zip(self.names, grads, strict=True)
        ]
        torch.cat(parts, dim=1, out=self.gradient.view(self._networks, -1))
        return self.gradient
