"""Neurons as functions of one operand: the means of their activations over the other operand."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grokscope.analysis.checkpoint.basis import unit_variances
from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.frames import Frame

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
    x_hat = checkpoint.transform(frame, f"blocks.{layer}.mlp.hook_post")
    return marginals_of(checkpoint.context.bases[frame].F, x_hat)


def marginals_of(
    F: Float[Tensor, "element column"], x_hat: Float[Tensor, "column column neuron"]
) -> dict[str, Marginal]:
    """The marginals of functions on pairs, from their transform: f(a) = (1 / sqrt n) sum_i F[a, i] X^[i, 0]."""
    n = len(F)
    of_neurons = unit_variances(x_hat)
    # The coefficients of a neuron share rounding errors in proportion to its whole activation.
    rounding = 1e3 * torch.finfo(x_hat.dtype).eps ** 2 * x_hat.flatten(0, 1).square().sum(0).double()
    by_operand = {}
    for operand, coefficients in zip(OPERANDS, (x_hat[:, 0], x_hat[0]), strict=True):
        without_mean = coefficients[1:].double()
        energy = without_mean.square().sum(0)
        energy = torch.where((energy > rounding) & (of_neurons > 0), energy, 0.0)
        by_operand[operand] = Marginal(F[:, 1:] @ without_mean / n**0.5, energy / n**2, of_neurons / n**2)
    return by_operand
