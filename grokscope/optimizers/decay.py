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
        common = in_scope(names, config.decay_scope) if config.weight_decay > 0 else ()
        self._decays = dict.fromkeys(common, config.weight_decay)
        for group, decay in config.group_decay:
            self._decays |= dict.fromkeys(in_scope(names, (group,)), decay)
        self._multiples = {n: rate for group, rate in config.group_rate for n in in_scope(names, (group,))}
        self.acts = bool(self._decays) and not config.decays_itself
        """Whether `apply_` does anything."""
        self._shares(1.0)  # a rule that cannot say its learning rates says so before the first step

    def shrinkages(self, lr: float) -> dict[str, float]:
        """The share of every parameter that decoupled decay takes away in a step, the optimizer's own included.

        lr * weight_decay, with the multiple of the learning rate that the parameter's group has.
        """
        return {name: share * self._multiples.get(name, 1.0) for name, share in self._shares(lr).items()}

    def _shares(self, lr: float) -> dict[str, float]:
        """The same at the common learning rate: updates are multiplied when they are done."""
        if self._config.decay != "decoupled":
            return {}
        return {name: self._config.rate_of(name, lr) * decay for name, decay in self._decays.items()}

    @torch.no_grad()
    def apply_(self, weights: Weights, gradient: Weights, lr: float) -> None:
        """Before the update, in place: on the weights or on the gradient."""
        if not self.acts:
            return
        if self._config.decay == "decoupled":
            for name, share in self._shares(lr).items():
                weights[name].mul_(1 - share)
        else:
            for name, decay in self._decays.items():
                gradient[name].add_(weights[name], alpha=decay)
