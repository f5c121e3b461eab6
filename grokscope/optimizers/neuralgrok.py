"""NeuralGrok: gradients scaled by a network that learns, on held-back examples, which entries to amplify.

For every parameter tensor with gradient g, and phi a network from one number to one number applied to each entry:

    p = softmax(phi(g)) over the entries,   G_phi(g) = c (p * g) / (||p * g||_2 + eps)

and all of them together are clipped to a joint norm. Every few steps phi learns: from the updated weights theta and
the gradient g of the same batch there, theta' = theta - lr G_phi(g), and phi takes an Adam step on the loss of theta'
on the held-back (outer) examples, g held constant. The two gradients of that step are the trainer's to compute; by the
chain rule phi's is the gradient of -lr <u, G_phi(g)> with u the gradient of the outer loss at theta'.

Controls: an amplifier that is never trained, and none at all (p constant: each tensor's gradient normalised to c).
Source: Zhou et al. 2025, "NeuralGrok: accelerate grokking by neural gradient transformation".
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.config import GradientConfig
from grokscope.optimizers.flat import FlatParameters
from grokscope.optimizers.piecewise import Pieces, ScalarNetwork, gradient_of_sum, pieces
from grokscope.optimizers.state import optimizer_tensors, restore_optimizer
from grokscope.tasks import generator

EPS = 1e-12
"""Keeps zeros at zero. Not given in the paper; p has entries near 1 / size, so a larger one would scale gradients."""

_PHI, _ADAM = "phi.", "adam."


def initial_amplifier(width: int, seed: int) -> ScalarNetwork:
    """phi as three nn.Linear would draw it: uniform in +-1 / sqrt(fan_in), biases too."""
    draws = generator(seed, "amplifier")

    def uniform(fan_in: int, *shape: int) -> Tensor:
        return (2 * torch.rand(shape, generator=draws, dtype=torch.float64) - 1) / fan_in**0.5

    return ScalarNetwork(
        uniform(1, width),
        uniform(1, width),
        uniform(width, width, width),
        uniform(width, width),
        uniform(width, width),
        uniform(width),
    )


def amplified(
    gradient: Float[Tensor, "entry"], logits: Float[Tensor, "entry"] | None, scale: float
) -> Float[Tensor, "entry"]:
    """c (p * g) / (||p * g|| + eps) of one parameter, with p the softmax of phi(g); no logits: p is constant."""
    weighted = gradient if logits is None else logits.softmax(0) * gradient
    return weighted * (scale / (torch.linalg.vector_norm(weighted) + EPS))


class NeuralGrok:
    """The transform, and the amplifier that it learns.

    Arguments:
        config: its settings.
        parameters: whose gradient it transforms.
        seed: draws the amplifier.
    """

    def __init__(self, config: GradientConfig, parameters: FlatParameters, seed: int) -> None:
        self._config, device = config, parameters.vector.device
        sizes = [parameters.weights[name].numel() for name in parameters.names]
        self._sizes = sizes
        network = initial_amplifier(config.amplifier_width, seed)
        leaves = {name: value.to(device).requires_grad_() for name, value in network.parameters.items()}
        self.amplifier = ScalarNetwork(**leaves)
        self._adam = torch.optim.Adam(
            list(leaves.values()),
            lr=config.amplifier_lr,
            betas=config.amplifier_betas,
            weight_decay=config.amplifier_weight_decay,
        )

    def outer_due(self, step: int) -> bool:
        """Whether the amplifier learns after this many steps."""
        return self._config.trains_amplifier and step % self._config.outer_every == 0

    def apply_(self, gradient: Float[Tensor, "parameter"]) -> None:
        """Amplify, then clip the joint norm, in place."""
        gradient.copy_(self.amplified(gradient))
        norm = float(torch.linalg.vector_norm(gradient))
        if norm > self._config.clip_norm:
            gradient.mul_(self._config.clip_norm / norm)

    @torch.no_grad()
    def amplified(self, gradient: Float[Tensor, "parameter"]) -> Float[Tensor, "parameter"]:
        """G_phi of every parameter's part of a gradient, not clipped."""
        entries = gradient.double()
        logits: list[Tensor | None] = [None] * len(self._sizes)
        if self._config.amplifier != "normalise":
            found, piece = self._pieces(entries)
            logits = list(found.evaluate(entries, piece).split(self._sizes))
        parts = zip(entries.split(self._sizes), logits, strict=True)
        return torch.cat([amplified(g, own, self._config.amplifier_scale) for g, own in parts]).to(gradient.dtype)

    def learn(
        self, gradient: Float[Tensor, "parameter"], outer: Float[Tensor, "parameter"], lr: float
    ) -> dict[str, Tensor]:
        """One Adam step of phi; returns its gradient.

        Arguments:
            gradient: g, of the inner batch at the updated weights.
            outer: u, of the outer loss at theta - lr * amplified(g).
            lr: the rate of that step.
        """
        entries, towards = gradient.double(), outer.double()
        found, piece = self._pieces(entries)
        logits = found.evaluate(entries, piece).requires_grad_()
        parts = zip(entries.split(self._sizes), logits.split(self._sizes), strict=True)
        moved = torch.cat([amplified(g, own, self._config.amplifier_scale) for g, own in parts])
        (weight,) = torch.autograd.grad(-lr * torch.dot(towards, moved), logits)
        grads = gradient_of_sum(self.amplifier, found, entries, piece, weight)
        for name, value in self.amplifier.parameters.items():
            value.grad = grads[name]
        self._adam.step()
        return grads

    def _pieces(self, entries: Float[Tensor, "parameter"]) -> tuple[Pieces, Int[Tensor, "parameter"]]:
        low, high = torch.aminmax(entries)
        found = pieces(self.amplifier, float(low), float(high))
        return found, found.of(entries)

    def tensors(self) -> dict[str, Tensor]:
        """The amplifier, and what its Adam remembers."""
        out = {_PHI + name: value.detach() for name, value in self.amplifier.parameters.items()}
        return out | {_ADAM + name: value for name, value in optimizer_tensors(self._adam).items()}

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` gave."""
        for name, value in self.amplifier.parameters.items():
            value.copy_(tensors[_PHI + name])
        restore_optimizer(self._adam, {k.removeprefix(_ADAM): v for k, v in tensors.items() if k.startswith(_ADAM)})
