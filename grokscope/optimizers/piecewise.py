"""A ReLU network from a number to a number, evaluated exactly on very many numbers.

    phi(x) = w3 . relu(W2 relu(w1 x + b1) + b2) + b3

is piecewise linear in x. Its breakpoints are where a unit of the first layer changes sign, and, between two of those,
where a unit of the second does. With the slope and value of every piece, phi of half a million numbers costs one
look-up each instead of a product of 128 x 128; and as phi is linear in x on each piece, the gradient of
sum_i a_i phi(x_i) with respect to phi's parameters needs of the x_i only the sums of a_i and a_i x_i over each piece.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ScalarNetwork:
    """Parameters of phi, in float64, with two hidden layers of one width."""

    w1: Float[Tensor, "width"]
    b1: Float[Tensor, "width"]
    W2: Float[Tensor, "width width"]
    b2: Float[Tensor, "width"]
    w3: Float[Tensor, "width"]
    b3: Float[Tensor, ""]

    @property
    def parameters(self) -> dict[str, Tensor]:
        """By name, in the order of the layers."""
        return {"w1": self.w1, "b1": self.b1, "W2": self.W2, "b2": self.b2, "w3": self.w3, "b3": self.b3}

    def value_and_slope(self, x: Float[Tensor, "x"]) -> tuple[Float[Tensor, "x"], Float[Tensor, "x"]]:
        """phi and its derivative at each x, by the layers: differentiable with respect to the parameters."""
        first = x[:, None] * self.w1 + self.b1
        on = (first > 0).to(first.dtype)
        second = (on * first) @ self.W2.T + self.b2
        both = (second > 0).to(first.dtype) * self.w3
        slope = (both * ((on * self.w1) @ self.W2.T)).sum(1)
        return (both * second).sum(1) + self.b3, slope


@dataclass(frozen=True, eq=False)
class Pieces:
    """The linear pieces of phi between two numbers: value(x) = value[k] + slope[k] (x - middle[k])."""

    breaks: Float[Tensor, "break"]
    middle: Float[Tensor, "piece"]
    value: Float[Tensor, "piece"]
    slope: Float[Tensor, "piece"]

    def of(self, x: Float[Tensor, "x"]) -> Int[Tensor, "x"]:
        """The piece that each x lies in."""
        return torch.bucketize(x, self.breaks)

    def evaluate(self, x: Float[Tensor, "x"], piece: Int[Tensor, "x"]) -> Float[Tensor, "x"]:
        """phi(x)."""
        offset = self.value - self.slope * self.middle
        return torch.addcmul(offset[piece], self.slope[piece], x)


def pieces(network: ScalarNetwork, low: float, high: float) -> Pieces:
    """The pieces that cover [low, high]."""
    detached = ScalarNetwork(*(value.detach() for value in network.parameters.values()))
    breaks = _breakpoints(detached, low, high)
    edges = torch.cat([breaks.new_tensor([low]), breaks, breaks.new_tensor([high])])
    middle = (edges[1:] + edges[:-1]) / 2
    return Pieces(breaks, middle, *detached.value_and_slope(middle))


def gradient_of_sum(
    network: ScalarNetwork,
    pieces: Pieces,
    x: Float[Tensor, "x"],
    piece: Int[Tensor, "x"],
    weight: Float[Tensor, "x"],
) -> dict[str, Tensor]:
    """Gradient of sum_i weight_i phi(x_i) with respect to each of phi's parameters."""
    count = len(pieces.middle)
    weights = torch.bincount(piece, weight, count)
    moments = torch.bincount(piece, weight * x, count) - weights * pieces.middle
    leaves = {name: value.detach().requires_grad_() for name, value in network.parameters.items()}
    value, slope = ScalarNetwork(**leaves).value_and_slope(pieces.middle)
    total = (weights * value + moments * slope).sum()
    return dict(zip(leaves, torch.autograd.grad(total, list(leaves.values())), strict=True))


def _breakpoints(network: ScalarNetwork, low: float, high: float) -> Float[Tensor, "break"]:
    """Where phi's derivative may jump, strictly between two numbers, in order."""
    first = -network.b1 / network.w1
    inside = first[(first > low) & (first < high)].sort().values  # NaN and infinity are not inside
    edges = torch.cat([first.new_tensor([low]), inside, first.new_tensor([high])])
    middle = (edges[1:] + edges[:-1]) / 2
    # On an interval between kinks of the first layer the second is linear: slope x + offset.
    on = (middle[:, None] * network.w1 + network.b1 > 0).to(first.dtype)
    slope = (on * network.w1) @ network.W2.T
    offset = (on * network.b1) @ network.W2.T + network.b2
    second = -offset / slope
    crossing = (second > edges[:-1, None]) & (second < edges[1:, None])
    return torch.cat([inside, second[crossing]]).sort().values
