"""What a trainer needs of an update rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


class Rule:
    """An update rule at work on all trained parameters.

    Arguments:
        config: its settings, an `OptimizerConfig`.
    """

    def __init__(self, config: Any) -> None:
        self.config = config

    def step(self, lr: float) -> None:
        """One update of the parameters by the gradient that lies beside them, at this learning rate."""
        raise NotImplementedError

    def use(self, config: Any) -> None:
        """Go on under other settings of the same rule."""
        self.config = config

    def tensors(self) -> dict[str, Tensor]:
        """What it remembers, by name."""
        return {}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` gave; nothing at all is the memory before the first step."""
        for name, value in self.tensors().items() if tensors else ():
            value.copy_(tensors[name])
