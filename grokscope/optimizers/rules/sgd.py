"""Stochastic gradient descent with momentum, that of torch.optim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grokscope.config.checks import number
from grokscope.config.optimizer import OptimizerConfig, declare_optimizer

if TYPE_CHECKING:
    from grokscope.optimizers.flat import FlatParameters
    from grokscope.optimizers.library import LibraryRule


@declare_optimizer("sgd")
class SGD(OptimizerConfig):
    """SGD."""

    OWN_DECAY = "l2"
    LIBRARY_DECAYS = True

    momentum: float = 0.0
    """Weight of the last step in this one."""

    def check(self) -> None:
        number("optimizer.momentum", self.momentum, 0.0, 1.0, open_low=False, open_high=True)

    def library_settings(self) -> dict[str, Any]:
        """Options of torch's optimizer."""
        return {"momentum": self.momentum, "weight_decay": self.library_decay}

    def build(self, parameters: FlatParameters) -> LibraryRule:
        import torch

        from grokscope.optimizers.library import LibraryRule

        optimizer = torch.optim.SGD([parameters.vector], lr=self.lr, **self.library_settings(), fused=True)
        return LibraryRule(self, optimizer)
