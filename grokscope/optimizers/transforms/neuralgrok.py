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

from typing import TYPE_CHECKING, Literal

from grokscope.config.checks import averaging_pair, boolean, choice, integer, number, positive
from grokscope.config.gradient import GradientConfig, declare_transform
from grokscope.optimizers.transform import Gradients, GradientTransform

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

    from grokscope.optimizers.flat import FlatParameters
    from grokscope.optimizers.piecewise import Pieces, ScalarNetwork

Amplifier = Literal["trained", "frozen", "normalise"]

MAX_WIDTH = 4096
"""Of the amplifier: its pieces are some hundred thousand then, and each is evaluated at every step."""
EPS = 1e-12
"""Keeps zeros at zero. Not given in the paper; p has entries near 1 / size, so a larger one would scale gradients."""

_PHI, _ADAM = "phi.", "adam."


@declare_transform("neuralgrok")
class NeuralGrok(GradientConfig):
    """NeuralGrok: a learned amplifier."""

    amplifier: Amplifier = "trained"
    """Controls. frozen: the amplifier stays as drawn. normalise: none, gradients are only scaled."""
    amplifier_width: int = 128
    """Width of the amplifier's two hidden layers."""
    amplifier_scale: float = 0.2
    """c: norm of every parameter's amplified gradient."""
    amplifier_lr: float = 1e-4
    amplifier_betas: tuple[float, float] = (0.9, 0.98)
    amplifier_weight_decay: float = 1e-3
    """L2, in the gradient."""
    clip_norm: float = 1.0
    """Upper bound on the joint norm of the amplified gradients."""
    outer_fraction: float = 0.02
    """Share of the training set that is held back to train the amplifier on."""
    outer_every: int = 4
    """Steps between the amplifier's."""
    merge_outer: bool = False
    """Control: train on the outer examples too."""

    def check(self) -> None:
        choice("gradient.amplifier", self.amplifier, Amplifier)
        integer("gradient.amplifier_width", self.amplifier_width, 1, MAX_WIDTH)
        for name in ("amplifier_scale", "amplifier_lr", "clip_norm"):
            positive(f"gradient.{name}", getattr(self, name))
        averaging_pair("gradient.amplifier_betas", self.amplifier_betas)
        number("gradient.amplifier_weight_decay", self.amplifier_weight_decay, 0.0, open_low=False)
        number("gradient.outer_fraction", self.outer_fraction, 0.0, 1.0, open_low=True, open_high=True)
        integer("gradient.outer_every", self.outer_every, 1)
        boolean("gradient.merge_outer", self.merge_outer)

    @property
    def held_back(self) -> float:
        return self.outer_fraction

    @property
    def trains_on_held_back(self) -> bool:
        return self.merge_outer

    @property
    def trains_amplifier(self) -> bool:
        """Whether there are outer steps."""
        return self.amplifier == "trained"

    @property
    def kept_vectors(self) -> int:
        return 0

    @property
    def passing_vectors(self) -> int:
        return 16  # gradients, logits, pieces and what comes of them, in float64

    def extra_evaluations(self, steps: int) -> int:
        """Two of every outer step: on the inner batch and on the outer examples."""
        return 2 * (steps // self.outer_every) if self.trains_amplifier else 0

    def build(self, parameters: FlatParameters, seed: int) -> AmplifierTransform:
        return AmplifierTransform(self, parameters, seed)


def initial_amplifier(width: int, seed: int) -> ScalarNetwork:
    """phi as three nn.Linear would draw it: uniform in +-1 / sqrt(fan_in), biases too."""
    import torch

    from grokscope.optimizers.piecewise import ScalarNetwork
    from grokscope.tasks import generator

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
    import torch

    weighted = gradient if logits is None else logits.softmax(0) * gradient
    return weighted * (scale / (torch.linalg.vector_norm(weighted) + EPS))


class AmplifierTransform(GradientTransform):
    """The transform, and the amplifier that it learns.

    Arguments:
        config: its settings.
        parameters: whose gradient it transforms.
        seed: draws the amplifier.
    """

    def __init__(self, config: NeuralGrok, parameters: FlatParameters, seed: int) -> None:
        import torch

        from grokscope.optimizers.piecewise import ScalarNetwork

        self._config, self._parameters, device = config, parameters, parameters.vector.device
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
        import torch

        gradient.copy_(self.amplified(gradient))
        norm = float(torch.linalg.vector_norm(gradient))
        if norm > self._config.clip_norm:
            gradient.mul_(self._config.clip_norm / norm)

    def after_step(self, step: int, lr: float, gradients: Gradients) -> None:
        """The outer step: the amplifier learns from the updated weights and the same inner batch."""
        if self.outer_due(step):
            inner = gradients("batch")
            moved = self._parameters.vector.detach().sub(self.amplified(inner), alpha=lr)
            self.learn(inner, gradients("held back", at=moved), lr)

    def amplified(self, gradient: Float[Tensor, "parameter"]) -> Float[Tensor, "parameter"]:
        """G_phi of every parameter's part of a gradient, not clipped."""
        import torch

        entries = gradient.double()
        logits: list[Tensor | None] = [None] * len(self._sizes)
        if self._config.amplifier != "normalise":
            linear, piece = self._pieces(entries)
            logits = list(linear.evaluate(entries, piece).split(self._sizes))
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
        import torch

        from grokscope.optimizers.piecewise import gradient_of_sum

        entries, towards = gradient.double(), outer.double()
        linear, piece = self._pieces(entries)
        logits = linear.evaluate(entries, piece).requires_grad_()
        parts = zip(entries.split(self._sizes), logits.split(self._sizes), strict=True)
        moved = torch.cat([amplified(g, own, self._config.amplifier_scale) for g, own in parts])
        (weight,) = torch.autograd.grad(-lr * torch.dot(towards, moved), logits)
        grads = gradient_of_sum(self.amplifier, linear, entries, piece, weight)
        for name, value in self.amplifier.parameters.items():
            value.grad = grads[name]
        self._adam.step()
        return grads

    def _pieces(self, entries: Float[Tensor, "parameter"]) -> tuple[Pieces, Int[Tensor, "parameter"]]:
        from grokscope.optimizers.piecewise import pieces

        low, high = entries.aminmax()
        linear = pieces(self.amplifier, float(low), float(high))
        return linear, linear.of(entries)

    def tensors(self) -> dict[str, Tensor]:
        """The amplifier, and what its Adam remembers."""
        from grokscope.optimizers.library import optimizer_tensors

        out = {_PHI + name: value.detach() for name, value in self.amplifier.parameters.items()}
        return out | {_ADAM + name: value for name, value in optimizer_tensors(self._adam).items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` gave."""
        from grokscope.optimizers.library import restore_optimizer

        for name, value in self.amplifier.parameters.items():
            value.detach().copy_(tensors[_PHI + name])
        restore_optimizer(self._adam, {k.removeprefix(_ADAM): v for k, v in tensors.items() if k.startswith(_ADAM)})
