"""Lion, that of lion-pytorch.

Source: Chen et al. 2023, "Symbolic discovery of optimization algorithms".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grokscope.config.checks import averaging_pair
from grokscope.config.optimizer import OptimizerConfig, declare_optimizer

if TYPE_CHECKING:
    from grokscope.optimizers.flat import FlatParameters
    from grokscope.optimizers.library import LibraryRule


@declare_optimizer("lion")
class Lion(OptimizerConfig):
    """Lion."""

    OWN_DECAY = "decoupled"
    LIBRARY_DECAYS = True

    betas: tuple[float, float] = (0.9, 0.97)
    """Averaging coefficients: of the gradient in a step, and in the average that is kept."""

    def check(self) -> None:
        averaging_pair("optimizer.betas", self.betas)

    def library_settings(self) -> dict[str, Any]:
        """Options of lion-pytorch's optimizer."""
        return {"betas": self.betas, "weight_decay": self.library_decay}

    def build(self, parameters: FlatParameters) -> LibraryRule:
        from lion_pytorch import Lion as LionOfLibrary

        from grokscope.optimizers.library import LibraryRule

        return LibraryRule(self, LionOfLibrary([parameters.vector], lr=self.lr, **self.library_settings()))
