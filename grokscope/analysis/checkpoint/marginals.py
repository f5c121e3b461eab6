"""Neurons as functions of one operand: the means of their activations over the other operand."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.frames import Frame
from grokscope.analysis.checkpoint.transform import Transform

OPERANDS = ("left", "right")


@dataclass(frozen=True, eq=False)
class Marginal:
    """The means of neurons over one operand as functions of the other, without their means."""

    f: Float[Tensor, "element neuron"]
    """In float64."""
    variance: Float[Tensor, "neuron"]
    """Of f; 0 where that is no more than rounding."""
    neuron_variance: Float[Tensor, "neuron"]
    """Of the neurons, over pairs; 0 for a constant one."""

    @property
    def varies(self) -> Bool[Tensor, "neuron"]:
        return self.variance > 0


def marginals(checkpoint: Checkpoint, frame: Frame, layer: int) -> dict[str, Marginal]:
    """The marginals of a layer's MLP neurons, by the operand that they are functions of (`OPERANDS`)."""
    return marginals_of(checkpoint.transform(frame, f"blocks.{layer}.mlp.hook_post"))


def marginals_of(transform: Transform) -> dict[str, Marginal]:
    """The marginals of functions on pairs, from their transform: f(a) = (1 / sqrt n) sum_i F[a, i] X^[i, 0]."""
    F, n, of_neurons = transform.basis.F, transform.basis.n, transform.variance
    # The coefficients of a neuron share rounding errors in proportion to its whole activation.
    whole = of_neurons + transform.left[0].double().square()
    rounding = 1e3 * torch.finfo(transform.left.dtype).eps ** 2 * whole
    by_operand = {}
    for operand, coefficients in zip(OPERANDS, (transform.left, transform.right), strict=True):
        without_mean = coefficients[1:].double()
        energy = without_mean.square().sum(0)
        energy = torch.where((energy > rounding) & (of_neurons > 0), energy, 0.0)
        by_operand[operand] = Marginal(F[:, 1:] @ without_mean / n**0.5, energy / n**2, of_neurons / n**2)
    return by_operand
