"""Adam and AdamW, those of torch.optim.

They differ in what weight decay is: L2 in the gradient for Adam, decoupled for AdamW.
Sources: Kingma & Ba 2015, "Adam"; Loshchilov & Hutter 2019, "Decoupled weight decay regularization".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grokscope.config.checks import averaging_pair
from grokscope.config.optimizer import OptimizerConfig, declare_optimizer

if TYPE_CHECKING:
    from grokscope.optimizers.flat import FlatParameters
    from grokscope.optimizers.library import LibraryRule


@declare_optimizer("adam")
class Adam(OptimizerConfig):
    """Adam."""

    OWN_DECAY = "l2"
    LIBRARY_DECAYS = True

    betas: tuple[float, float] = (0.9, 0.97)
    """Averaging coefficients of the gradient and of its square."""

    def check(self) -> None:
        averaging_pair("optimizer.betas", self.betas)

    def library_settings(self) -> dict[str, Any]:
        """Options of torch's optimizer."""
        return {"betas": self.betas, "weight_decay": self.library_decay}

    def build(self, parameters: FlatParameters) -> LibraryRule:
        import torch

        from grokscope.optimizers.library import LibraryRule

        kind = torch.optim.AdamW if self.name == "adamw" else torch.optim.Adam
        return LibraryRule(self, kind([parameters.vector], lr=self.lr, **self.library_settings(), fused=True))


@declare_optimizer("adamw")
class AdamW(Adam):
    """AdamW."""

    OWN_DECAY = "decoupled"
