"""What is minimised, as a function of logits: the loss of a config, at its temperature."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.config import LossConfig, Reduction

Loss = Callable[[Float[Tensor, "example answer"], Int[Tensor, "example"], Reduction], Tensor]


def loss_function(config: LossConfig) -> Loss:
    """The loss that a config asks for."""
    if config.temperature == 1.0:
        return config.value
    return lambda logits, labels, reduction: config.value(logits / config.temperature, labels, reduction)


def logit_std(logits: Float[Tensor, "example output"]) -> float:
    """Standard deviation of logits centred over the outputs of each example: what softmax sees of their scale."""
    centred = logits.detach() - logits.detach().mean(1, keepdim=True)
    return float(centred.double().square().mean().sqrt())


def scaled_to(logits: Float[Tensor, "example output"], spread: float | None) -> Float[Tensor, "example output"]:
    """Logits times the factor that gives them this `logit_std`, through which no gradient flows; None: as they are.

    Logits that are all alike stay as they are.
    """
    if spread is None:
        return logits
    now = logit_std(logits)
    return logits if now == 0 else logits * torch.tensor(spread / now, dtype=logits.dtype)
