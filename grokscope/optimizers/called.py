"""An optimizer that a user's callable makes, at work as an update rule."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from grokscope.config import ConfigError
from grokscope.config.callables import is_plain
from grokscope.disk.packing import pack, unpack
from grokscope.optimizers.flat import FlatParameters
from grokscope.optimizers.rule import Rule

if TYPE_CHECKING:
    from grokscope.optimizers.rules.custom import Custom

_NOT_SETTINGS = ("params", "param_names")


class CalledRule(Rule):
    """The optimizer of a callable, on tensors that are views of the one vector of parameters.

    Its learning rates are left alone where nothing of ours changes them; otherwise those that the callable set are
    multiplied, step by step. Its whole `state_dict` is kept for a resume.

    Arguments:
        config: its settings; what it records of the optimizer, if anything yet, has to be what is made.
        parameters: in one vector, with its gradient.
        factory: takes pairs of a name and a leaf tensor.

    Raises `ConfigError` where the callable makes no optimizer of these parameters, or another than is recorded.
    """

    def __init__(self, config: Custom, parameters: FlatParameters, factory: Callable[..., Any]) -> None:
        named = list(zip(parameters.names, parameters.leaves, strict=True))
        self.optimizer = _made(factory, named)
        made = _groups(self.optimizer, {id(leaf): name for name, leaf in named})
        _compare(config.made, made)
        super().__init__(dataclasses.replace(config, made=made))
        gradients = parameters.views(parameters.gradient)
        views = parameters.views(parameters.vector.detach())
        self._tensors = [(leaf, gradients[name], views[name]) for name, leaf in named]
        self._rates: list[Any] = [group.get("lr") for group in self.optimizer.param_groups]
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            if isinstance(rate, Tensor):  # the callable may give the same tensor to its next optimizer
                group["lr"] = rate.clone()
        self._multiplied = False
        self._checked = False
        self.use(self.config)

    def use(self, config: Custom) -> None:
        super().use(config)
        self._constant = config.lr == 1.0 and config.has_constant_rate
        if not self._constant and any(rate is None for rate in self._rates):
            raise ConfigError(
                "optimizer.schedule, optimizer.warmup_steps and optimizer.lr multiply learning rates, and the "
                f"optimizer of {config.factory} has groups without any: leave them at their defaults"
            )
        if self._constant and self._multiplied:
            self._set_rates(1.0)

    def step(self, lr: float) -> None:
        """One step; `lr` is a multiple."""
        if not self._constant:
            self._set_rates(lr)
        for leaf, gradient, _ in self._tensors:
            leaf.grad = gradient
        with torch.no_grad():
            self.optimizer.step()
            for leaf, _, view in self._tensors:
                if leaf.data_ptr() != view.data_ptr():  # it has put another tensor in the place of the weights
                    view.copy_(leaf)
                    leaf.data = view
        if not self._checked:
            # At the first step that there is anything to remember, and not when a first state is saved.
            self._checked = True
            self.tensors()

    def tensors(self) -> dict[str, Tensor]:
        """Its `state_dict`; entries of groups that are not plain values stay those that the callable makes."""
        state = self.optimizer.state_dict()
        groups = [{name: value for name, value in group.items() if _is_kept(value)} for group in state["param_groups"]]
        try:
            return pack({**state, "param_groups": groups})
        except TypeError as error:
            raise ConfigError(
                f"the optimizer of {self.config.factory} cannot be resumed: of its state_dict, {error}; use tensors, "
                "numbers, texts, lists and dictionaries"
            ) from None

    def restore(self, tensors: dict[str, Tensor]) -> None:
        if not tensors:
            return
        state = unpack(tensors)
        fresh = self.optimizer.state_dict()["param_groups"]
        groups = [{**made, **kept} for made, kept in zip(fresh, state["param_groups"], strict=True)]
        self.optimizer.load_state_dict({**state, "param_groups": groups})
        # torch gives moments the dtype of their parameter; what was kept in another one is put back as it was.
        numbered = [leaf for group in self.optimizer.param_groups for leaf in group["params"]]
        for number, kept in state["state"].items():
            moments: Any = self.optimizer.state.get(numbered[number]) if isinstance(number, int) else None
            for name, value in kept.items() if isinstance(moments, dict) else ():
                if isinstance(value, Tensor) and isinstance(moments.get(name), Tensor):
                    moments[name] = value.to(moments[name].device)
        self._multiplied = not self._constant

    def _set_rates(self, multiple: float) -> None:
        self._multiplied = True
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].copy_(rate * multiple)
            else:
                group["lr"] = rate * multiple


def _made(factory: Callable[..., Any], named: list[tuple[str, Tensor]]) -> torch.optim.Optimizer:
    """What the callable makes of the parameters, if that is an optimizer of some of them."""
    try:
        optimizer = factory(named)
    except Exception as error:
        raise ConfigError(
            f"optimizer: the callable failed on the named parameters ({type(error).__name__}: {error}); it is given a "
            "list of pairs of a name and a tensor, as torch.optim takes named_parameters()"
        ) from error
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise ConfigError(f"optimizer: the callable made a {type(optimizer).__name__}: make a torch.optim.Optimizer")
    ours = {id(leaf) for _, leaf in named}
    held = [leaf for group in optimizer.param_groups for leaf in group["params"]]
    if not held or any(id(leaf) not in ours for leaf in held):
        raise ConfigError("optimizer: the callable made an optimizer of other tensors than the parameters it was given")
    closure = list(inspect.signature(optimizer.step).parameters.values())[:1]
    if closure and closure[0].default is closure[0].empty and closure[0].kind is closure[0].POSITIONAL_OR_KEYWORD:
        raise ConfigError(
            f"optimizer: the step of {type(optimizer).__name__} needs a closure that computes the loss again; use one "
            "that takes a step from a gradient alone"
        )
    return optimizer


def _groups(optimizer: torch.optim.Optimizer, names: dict[int, str]) -> tuple[str, ...]:
    """The record of an optimizer: of every group its class, its plain settings and its parameters, as JSON."""
    kind = type(optimizer)
    return tuple(
        json.dumps(
            {
                "class": f"{kind.__module__}.{kind.__qualname__}",
                **{k: v for k, v in group.items() if k not in _NOT_SETTINGS and is_plain(v)},
                "parameters": [names[id(leaf)] for leaf in group["params"]],
            }
        )
        for group in optimizer.param_groups
    )


def _compare(recorded: tuple[str, ...], made: tuple[str, ...]) -> None:
    """Raise `ConfigError`, naming what differs, unless the optimizer that was made is the one that is recorded."""
    if not recorded:
        return
    if len(recorded) != len(made):
        raise ConfigError(f"optimizer: the callable makes {len(made)} groups, and made {len(recorded)} in the run")
    for before, now in zip(map(json.loads, recorded), map(json.loads, made), strict=True):
        # A setting that only one has came with another version of torch.
        changed = [f"{name} = {now[name]!r}, in the run {before[name]!r}" for name in before.keys() & now.keys()
                   if before[name] != now[name]]  # fmt: skip
        if changed:
            raise ConfigError(
                f"optimizer: the callable makes another one than in the run: {'; '.join(sorted(changed))}"
            )


def _is_kept(value: Any) -> bool:
    """Whether a setting of a group can be kept: a tensor or a plain value."""
    return isinstance(value, Tensor) or is_plain(value)
