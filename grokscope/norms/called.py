"""A user's callable on named tensors: called once a step, with its memory kept where it has one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from grokscope.config import ConfigError
from grokscope.disk.packing import pack, unpack
from grokscope.model import Weights
from grokscope.norms.one_control import Control

Called = Callable[[Weights, int], Mapping[str, Tensor] | None]
"""Takes tensors by name and the step; changes them in place, or returns those that it has made anew."""


@torch.no_grad()
def call_(what: str, function: Called, tensors: Weights, step: int) -> None:
    """Let a callable change named tensors, whichever way it does that.

    It may write into the tensors, put others into the dictionary, or return a dictionary of some of them.

    Arguments:
        what: the argument that the callable was given as, for errors.
        tensors: what is changed, in place.
        step: the second argument of the callable.

    Raises `ConfigError` where it returns something else, names what is not there, or changes a shape.
    """
    shown = dict(tensors)
    returned = function(shown, step)
    if returned is not None and not isinstance(returned, Mapping):
        raise ConfigError(
            f"{what} returned a {type(returned).__name__} at step {step}: change the tensors in place and return "
            "nothing, or return a dictionary of tensors by name"
        )
    for name, value in {**shown, **(returned or {})}.items():
        if name not in tensors:
            raise ConfigError(f"{what} names {name!r} at step {step}, which is none of {', '.join(tensors)}")
        if value is tensors[name]:
            continue
        if not isinstance(value, Tensor) or value.shape != tensors[name].shape:
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ConfigError(f"{what} made {name} {shape} at step {step}: its shape is {tuple(tensors[name].shape)}")
        tensors[name].copy_(value)


def memory_of(what: str, function: Any) -> dict[str, Tensor]:
    """What a callable remembers, if it has `state_dict` and `load_state_dict`, as a module of torch has.

    Raises `ConfigError` for a memory that is not made of tensors, numbers, texts, lists and dictionaries.
    """
    if not (hasattr(function, "state_dict") and hasattr(function, "load_state_dict")):
        return {}
    try:
        return pack(function.state_dict())
    except TypeError as error:
        raise ConfigError(
            f"{what} cannot be resumed: of its state_dict, {error}; use tensors, numbers, texts, lists and dictionaries"
        ) from None


def remember(function: Any, tensors: dict[str, Tensor]) -> None:
    """Put back what `memory_of` gave."""
    if tensors:
        function.load_state_dict(unpack(tensors))


class CalledControl(Control):
    """A norm control that a user gave as a callable: called before the first step with step 0, and after every step.

    Arguments:
        function: the callable; None: it is not known here, and nothing can be trained.
        recorded: its name in the run's config.
        names: the parameters that it is shown.
    """

    def __init__(self, function: Called | None, recorded: str, names: Iterable[str]) -> None:
        self._function, self._recorded, self._names = function, recorded, tuple(names)

    def apply_(self, weights: Weights, step: int) -> None:
        if self._function is None:
            raise ConfigError(
                f"norms.control = {self._recorded!r} is a callable that is not given here: give it as norm_control="
            )
        shown = {name: weights[name].detach() for name in self._names}
        call_("norm_control", self._function, shown, step)

    def tensors(self) -> dict[str, Tensor]:
        return memory_of("norm_control", self._function)

    def restore(self, tensors: dict[str, Tensor]) -> None:
        remember(self._function, tensors)
