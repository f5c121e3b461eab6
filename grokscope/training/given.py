"""Callables that a user gives to training: an optimizer, a gradient transform, a norm control.

A run records them by name and settings and never holds their code. Whoever goes on with it gives them again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grokscope.config import ConfigError, GradientConfig, OptimizerConfig, RunConfig, override
from grokscope.config.callables import described

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

Factory = Callable[..., "Optimizer"]
"""From named parameters, a list of pairs of a name and a leaf tensor, to an optimizer of them."""
Step = Callable[[dict[str, "Tensor"], int], "Mapping[str, Tensor] | None"]
"""On tensors by name and the step: it changes them in place, or returns those that it has made anew."""

CUSTOM = "custom"
"""The name of an optimizer, and of a gradient transform, that is a callable."""


@dataclass(frozen=True)
class Given:
    """The callables that are given beside a config; None: none."""

    optimizer: Factory | None = None
    transform: Step | None = None
    norm_control: Step | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not callable(value):
                raise ConfigError(f"{name} = {value!r} is not accepted: give a callable")

    def recorded(self, config: RunConfig) -> RunConfig:
        """The config of a new run that is trained with these callables.

        What the callable of an optimizer stands for is its own: of the config's optimizer nothing is left, so that a
        preset's learning rate, warm-up and weight decay do not change it.
        """
        changes = self.settings()
        if self.optimizer is not None and config.optimizer.name == CUSTOM:
            changes["optimizer"] = config.optimizer.changed({"factory": changes["optimizer"].factory, "made": ()})
        return override(config, changes)

    def settings(self) -> dict[str, Any]:
        """The settings that name them."""
        names = self._described()
        changes: dict[str, Any] = {}
        optimizer: Any = OptimizerConfig  # a method's own settings are declared where it lives
        gradient: Any = GradientConfig
        if names["optimizer"] is not None:
            changes["optimizer"] = optimizer(name=CUSTOM, factory=names["optimizer"])
        if names["transform"] is not None:
            changes["gradient"] = gradient(name=CUSTOM, function=names["transform"])
        if names["norm_control"] is not None:
            changes["norms.control"] = names["norm_control"]
        return changes

    def check(self, config: RunConfig, of: str) -> None:
        """Raise `ConfigError`, saying what to give, unless these are the callables that a config names.

        Arguments:
            of: whose config it is, for the error.
        """
        given = self._described()
        for part, name in named(config).items():
            if name == given[part]:
                continue
            if name is None:
                raise ConfigError(f"{of} has no {part} of its own, and {given[part]} is given: leave {part}= out")
            which = "none is given" if given[part] is None else f"{given[part]} is given"
            raise ConfigError(
                f"{of} has the {part} {name or '(not named)'}, a callable whose code a run does not hold, and {which}: "
                f"give the same one, as {part}= of grokscope.train, resume or branch"
            )

    def _described(self) -> dict[str, str | None]:
        return {name: None if value is None else described(value) for name, value in vars(self).items()}


def named(config: RunConfig) -> dict[str, str | None]:
    """The callables that a config names, by the argument that they are given as; None: none."""
    return {
        "optimizer": config.optimizer.factory if config.optimizer.name == CUSTOM else None,  # type: ignore[attr-defined]
        "transform": config.gradient.function if config.gradient.name == CUSTOM else None,  # type: ignore[attr-defined]
        "norm_control": config.norms.control,
    }


def apart(optimizer: Any, overrides: dict[str, Any]) -> tuple[Factory | None, dict[str, Any]]:
    """An optimizer that is a callable, and the settings; one that is settings of an optimizer joins these."""
    if optimizer is None or callable(optimizer):
        return optimizer, overrides  # type: ignore[return-value]
    return None, {**overrides, "optimizer": optimizer}
