"""Weight decay on chosen parameter groups, decoupled or in the gradient.

    decoupled   w <- w - lr * weight_decay * w     before the update
    l2          g <- g + weight_decay * w          before the update rule sees the gradient

Source: Loshchilov & Hutter 2019, "Decoupled weight decay regularization".
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from grokscope.config import OptimizerConfig
from grokscope.model import Weights, in_scope


class WeightDecay:
    """The weight decay of a config, where the optimizer does not do it by itself.

    Arguments:
        config: strength, form and groups.
        names: the parameters that there are.
    """

    def __init__(self, config: OptimizerConfig, names: Iterable[str]) -> None:
        self._config = config
        names = tuple(names)
        self._decaying = in_scope(names, config.decay_scope) if config.weight_decay > 0 else ()
        self.acts = bool(self._decaying) and not config.decays_itself
        """Whether `apply_` does anything."""

    def shrinkages(self, lr: float) -> dict[str, float]:
        """lr * weight_decay of every parameter whose decay is decoupled, the optimizer's own included."""
        if self._config.decay != "decoupled":
            return {}
        return {name: self._config.rate_of(name, lr) * self._config.weight_decay for name in self._decaying}

    @torch.no_grad()
    def apply_(self, weights: Weights, gradient: Weights, lr: float) -> None:
        """Before the update, in place: on the weights or on the gradient."""
        if not self.acts:
            return
        if self._config.decay == "decoupled":
            for name, shrinkage in self.shrinkages(lr).items():
                weights[name].mul_(1 - shrinkage)
        else:
            for name in self._decaying:
                gradient[name].add_(weights[name], alpha=self._config.weight_decay)
