"""An optimizer of torch.optim's kind as an update rule, for optimizers of one's own or of another library.

@declare_optimizer("rmsprop")
class RMSprop(OptimizerConfig):
    alpha: float = 0.99

    def library_settings(self):
        return {"alpha": self.alpha}

    def build(self, parameters):
        optimizer = torch.optim.RMSprop([parameters.vector], lr=self.lr, **self.library_settings())
        return LibraryRule(self, optimizer)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from grokscope.optimizers.rule import Rule


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What the optimizer remembers, as `INDEX.NAME` -> tensor: index of the parameter, name of the moment."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": value if isinstance(value, Tensor) else torch.tensor(value)
        for index, moments in state.items()
        for name, value in moments.items()
        if value is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


class LibraryRule(Rule):
    """A rule whose update is that of a library's optimizer, on one vector of all parameters.

    Arguments:
        config: its settings; `config.library_settings()` are the options of the optimizer that training may change.
        optimizer: the library's.
    """

    def __init__(self, config: Any, optimizer: torch.optim.Optimizer) -> None:
        super().__init__(config)
        self.optimizer = optimizer

    def step(self, lr: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()

    def use(self, config: Any) -> None:
        super().use(config)
        options: Mapping[str, Any] = config.library_settings()
        for group in self.optimizer.param_groups:
            group |= options

    def tensors(self) -> dict[str, Tensor]:
        return optimizer_tensors(self.optimizer)

    def restore(self, tensors: dict[str, Tensor]) -> None:
        restore_optimizer(self.optimizer, tensors)
