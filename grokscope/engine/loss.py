"""What is minimised, as a function of logits: the loss of a config, at its temperature."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float, Int
from torch import Tensor

from grokscope.config import LossConfig, Reduction

Loss = Callable[[Float[Tensor, "example answer"], Int[Tensor, "example"], Reduction], Tensor]


def loss_function(config: LossConfig) -> Loss:
    """The loss that a config asks for."""
    if config.temperature == 1.0:
        return config.value
    return lambda logits, labels, reduction: config.value(logits / config.temperature, labels, reduction)
