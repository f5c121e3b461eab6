"""The norm control of a config: what all its controls do to the weights, at the start and after every step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from torch import Tensor

from grokscope.config import NormConfig
from grokscope.config.checks import refuse
from grokscope.config.methods import setting_names
from grokscope.model import Weights, in_scope, is_buffer, role
from grokscope.norms.one_control import Control

CUSTOM = "custom"
"""The control that is a user's callable."""


class NormControl:
    """The controls of a config that are on, at work on some parameters: clip, then cap, then clamp, in their order.

    Arguments:
        config: which controls there are, and what each does.
        names: the parameters that there are.
        start: the weights that the cap is relative to; without them nothing can be capped.
        custom: the user's callable at work, where the config names one; without it nothing can be controlled.
    """

    def __init__(
        self,
        config: NormConfig,
        names: Iterable[str],
        start: Weights | None = None,
        custom: Control | None = None,
    ) -> None:
        self.config, names = config, tuple(names)
        self.controls: dict[str, Control] = {
            name: custom if name == CUSTOM and custom is not None else control.build(config, names, start)
            for name, control in config.controls_on().items()
        }
        self.bounds: dict[str, float] = {
            name: bound for control in self.controls.values() for name, bound in control.row_bounds.items()
        }
        """The bound on the rows of every clipped parameter."""

    def project_(self, weights: Weights) -> None:
        """What is done once, before training, in place."""
        for control in self.controls.values():
            control.project_(weights)

    def apply_(self, weights: Weights, step: int) -> None:
        """What is done after a step, in place; 0 is before the first."""
        for control in self.controls.values():
            control.apply_(weights, step)

    @property
    def acts_on_updates(self) -> bool:
        """Whether `before_update_` or `after_update_` does anything."""
        return any(control.acts_on_updates for control in self.controls.values())

    @property
    def last_steps(self) -> dict[str, int]:
        """The last step that each control can act after, of those that cannot go on for ever."""
        return {name: control.last_step for name, control in self.controls.items() if control.last_step is not None}

    def before_update_(self, weights: Weights, gradient: Weights) -> None:
        """What is done between the backward pass and the update rule, in place."""
        for control in self.controls.values():
            control.before_update_(weights, gradient)

    def after_update_(self, weights: Weights, before: Weights, step: int) -> None:
        """What is done to an update, in place, before norms are controlled.

        In the other order than `before_update_`: what a control did to the weights before the update is undone by it
        after the others have seen the update of those weights.
        """
        for control in reversed(self.controls.values()):
            control.after_update_(weights, before, step)

    def shrinkages(self, shares: Mapping[str, float], before: Weights, step: int) -> dict[str, float]:
        """The share of every parameter that decoupled weight decay takes away, once updates are controlled.

        Arguments:
            shares: what it takes away in the update itself, by parameter.
            before: the weights before the step.
            step: as for `after_update_`.
        """
        left = dict(shares)
        for control in self.controls.values() if left else ():
            left = control.shrinkages(left, before, step)
        return left

    def tensors(self) -> dict[str, Tensor]:
        """What the controls remember, by name."""
        return {
            f"{name}.{key}": value
            for name, control in self.controls.items()
            for key, value in control.tensors().items()
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` gave; controls that were not on then keep the memory that they have."""
        for name, control in self.controls.items():
            under = f"{name}."
            control.restore({k.removeprefix(under): v for k, v in tensors.items() if k.startswith(under)})


def check_scopes(config: NormConfig, names: Iterable[str]) -> None:
    """Raise `ConfigError` for a control that is on and acts on nothing: no parameter is in its scope."""
    names = tuple(names)
    values = config.settings()
    scopes = [name for of in config.controls_on().values() for name in setting_names(of) if name.endswith("scope")]
    for name in scopes:
        if isinstance(values[name], tuple) and values[name] and not in_scope(names, values[name], f"norms.{name}"):
            have = ", ".join(dict.fromkeys(role(of) for of in names if not is_buffer(of)))
            refuse(f"norms.{name}", values[name], f"this network has no such parameter; it has {have}")


def begin_(
    weights: Weights,
    config: NormConfig,
    names: Iterable[str],
    custom: Control | None = None,
    inside: Callable[[Weights], None] | None = None,
) -> tuple[Weights, NormControl]:
    """Norm control before the first step, in place: the projection, then every control once.

    Arguments:
        inside: what an update rule does to the projected weights before it can start from them, in place.

    Returns a copy of the weights that training starts from, which is what cap, spheres and relative step refer to, and
    the controls as they are then.
    """
    names = tuple(names)
    NormControl(config, names).project_(weights)
    if inside is not None:
        inside(weights)
    start = {name: value.detach().clone() for name, value in weights.items()}
    control = NormControl(config, names, start, custom)
    control.apply_(weights, 0)
    return start, control


def start_rows_(weights: Weights, config: NormConfig) -> Weights:
    """`begin_` of all weights; returns the copy of the projected weights."""
    return begin_(weights, config, weights)[0]
