"""Gradient transforms: what is done to the gradient before the update rule sees it.

A transform works in place on the gradient of all trained parameters, one vector, and its memory is tensors by name.
"""

from __future__ import annotations

from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.model import Weights
from grokscope.optimizers.flat import FlatParameters


class GradientTransform(Protocol):
    """What a trainer needs of one."""

    def apply_(self, gradient: Float[Tensor, "parameter"]) -> None:
        """Transform the gradient of the step that is being taken, in place."""

    def tensors(self) -> dict[str, Tensor]:
        """What it remembers, by name."""
        ...

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` gave."""


class GrokfastEMA:
    """h <- alpha h + (1 - alpha) g with h_0 = g_0;  g <- g + lamb h.

    Source: Lee et al. 2024, "Grokfast", section 3 and its code (which starts the average at the first gradient).
    """

    def __init__(self, alpha: float, lamb: float) -> None:
        self._alpha, self._lamb = alpha, lamb
        self._average: Tensor | None = None

    def apply_(self, gradient: Float[Tensor, "parameter"]) -> None:
        if self._average is None:
            self._average = gradient.clone()
        else:
            self._average.mul_(self._alpha).add_(gradient, alpha=1 - self._alpha)
        gradient.add_(self._average, alpha=self._lamb)

    def tensors(self) -> dict[str, Tensor]:
        return {} if self._average is None else {"average": self._average}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        self._average = tensors["average"].clone() if tensors else None


class GrokfastMA:
    """g <- g + lamb mean(g of the last `window` steps, this one included), once there are so many.

    The sum is kept in float64, one gradient added and one taken off a step, which drifts by parts in 1e16.
    Source: Lee et al. 2024, "Grokfast", section 2 and its code (with its warm-up, the default).
    """

    def __init__(self, parameters: FlatParameters, window: int, lamb: float) -> None:
        vector = parameters.vector.detach()
        self._lamb = lamb
        self._window = torch.zeros((window, len(vector)), dtype=vector.dtype, device=vector.device)
        self._sum = torch.zeros_like(vector, dtype=torch.float64)
        self._seen = torch.zeros((), dtype=torch.int64)

    def apply_(self, gradient: Float[Tensor, "parameter"]) -> None:
        size, seen = len(self._window), int(self._seen)
        oldest = self._window[seen % size]
        self._sum.sub_(oldest).add_(gradient)
        oldest.copy_(gradient)
        self._seen.add_(1)
        if seen + 1 >= size:
            gradient.add_(self._sum.to(gradient.dtype), alpha=self._lamb / size)

    def tensors(self) -> dict[str, Tensor]:
        return {"window": self._window, "sum": self._sum, "seen": self._seen}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        for name, value in self.tensors().items():
            value.copy_(tensors[name])


def across_(gradient: Weights, weights: Weights) -> None:
    """Turn each parameter's gradient across its weights, its norm kept, in place:

        g <- (g - <w, g> / <w, w> w) * ||g|| / ||g - <w, g> / <w, w> w||

    A parameter of zeros keeps its gradient, and a gradient along the weights becomes zero: what is left of it within a
    few roundings is not scaled up.
    Source: Prieto et al. 2025, "Grokking at the edge of numerical stability" (the projection); its code keeps the norm.
    """
    for name, g in gradient.items():
        w = weights[name].detach()
        square = torch.linalg.vector_norm(w).square()
        if not square > 0:
            continue
        size = torch.linalg.vector_norm(g)
        g.sub_(w * ((w * g).sum() / square))
        left = torch.linalg.vector_norm(g)
        g.mul_(torch.where(left > 8 * torch.finfo(g.dtype).eps * size, size / left, 0.0))


class OrthoGrad:
    """`across_` at every step; it remembers nothing."""

    def __init__(self, parameters: FlatParameters) -> None:
        self._parameters = parameters

    @torch.no_grad()
    def apply_(self, gradient: Float[Tensor, "parameter"]) -> None:
        across_(self._parameters.views(gradient), self._parameters.weights)

    def tensors(self) -> dict[str, Tensor]:
        return {}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        pass
