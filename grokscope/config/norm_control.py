"""Norm control of a run: the settings of all norm controls together.

Norm controls combine: a run may project rows at the start, clip them, and cap and clamp norms besides. The controls and
their settings are declared in `grokscope.norms.controls`; `NormConfig(...)` has the settings of every declared one. A
control is on if one of its switches is set, and what only a control reads that is off is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, dataclass_transform

from grokscope.config.checks import refuse
from grokscope.config.methods import (
    OpenSection,
    UnknownMethod,
    declare,
    declared_methods,
    kinds,
    methods,
    setting_names,
)

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class NormConfig(OpenSection):
    """Norm control: the settings of every declared control.

    A control is a subclass with settings of its own, declared by `declare_control`. As an instance has the settings of
    all controls, what a control says of itself is asked of its class: `Clip.check(config)`.
    """

    SECTION: ClassVar[str] = "norms"
    SWITCHES: ClassVar[tuple[str, ...]] = ()
    """The settings of a control that switch it on, where they are not at their defaults."""

    def __new__(cls, **settings: Any) -> Self:
        return object.__new__(_combination(kinds("norms")))  # type: ignore[return-value]

    def __post_init__(self) -> None:
        for control in controls().values():
            control.check(self)
        values = self.settings()
        for name, control in controls().items():
            if is_on(control, values):
                continue
            for setting, default in _defaults(control).items():
                if values[setting] != default:
                    switches = " or ".join(f"norms.{switch}" for switch in control.SWITCHES)
                    reads = f"only the {name} reads it, which is off: use it with {switches}"
                    refuse(f"norms.{setting}", values[setting], reads)

    if TYPE_CHECKING:  # the settings are those of the declared controls

        def __getattr__(self, name: str) -> Any: ...

    else:

        def __getattr__(self, name):
            """The default of a control that was declared after this config was made."""
            for control in () if name.startswith("__") else controls().values():
                if name in setting_names(control):
                    return _defaults(control)[name]
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __eq__(self, other: object) -> bool:
        return self.read() == other.read() if isinstance(other, NormConfig) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.read().items())))

    def __reduce__(self) -> tuple[Callable[..., NormConfig], tuple[dict[str, Any]]]:
        return _made, (self.read(),)

    def check(self) -> None:
        """Check the settings of the control's own, whether it is on or off. Raises `ConfigError`."""

    def build(self, names: Iterable[str], start: dict[str, Tensor] | None) -> Any:
        """The control, a `grokscope.norms.Control`, of the parameters that are named.

        `start`: the weights after the projection, before the first step; None: they are not known.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how its control is built")

    def controls_on(self) -> dict[str, type[NormConfig]]:
        """The controls that these settings switch on, by name, in the order in which they act."""
        values = self.settings()
        return {name: control for name, control in controls().items() if is_on(control, values)}

    def fixed(self) -> tuple[str, ...]:
        return tuple(setting for control in controls().values() for setting in control.FIXED)

    def settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for control in controls().values() for name in setting_names(control)}

    def read(self) -> dict[str, Any]:
        return _read(self.settings())

    def changed(self, values: Mapping[str, Any]) -> Self:
        together = self.settings() | dict(values)
        left = _read(together)
        kept = {name: value for name, value in together.items() if name in values or name in left}
        return NormConfig(**kept)  # type: ignore[return-value]

    @classmethod
    def recorded(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        known = {name for control in controls().values() for name in setting_names(control)}
        unknown = next((name for name in values if name not in known), None)
        if unknown is not None:
            raise UnknownMethod(f"norms.{unknown} is a setting of no norm control that is known here")
        defaults = {name: one for control in controls().values() for name, one in _defaults(control).items()}
        return _read(defaults | dict(values))


Control = TypeVar("Control", bound=type[NormConfig])


@dataclass_transform(frozen_default=True)
def declare_control(name: str, *, switches: tuple[str, ...], order: int = 100) -> Callable[[Control], Control]:
    """Declare the settings of a norm control, a subclass of `NormConfig`.

    Arguments:
        name: of the control, for errors and for what it remembers.
        switches: its settings that switch it on.
        order: controls act in increasing order: projection 0, clip 10, cap 20, clamp 30.
    """

    def declared(kind: Control) -> Control:
        kind.SWITCHES, kind.ORDER = switches, order
        made = dataclass(frozen=True, eq=False)(kind)
        for other, control in declared_methods("norms").items():
            shared = set(setting_names(control)) & set(setting_names(made))
            if other != name and shared:
                raise TypeError(f"norms.{min(shared)} is declared by the controls {other} and {name}")
        declare("norms", (name,), made)
        return made

    return declared


def controls() -> Mapping[str, type[NormConfig]]:
    """All norm controls by name, in the order in which they act."""
    return methods("norms")


def is_on(control: type[NormConfig], values: Mapping[str, Any]) -> bool:
    """Whether these values of settings switch a control on."""
    defaults = _defaults(control)
    return any(values[switch] != defaults[switch] for switch in control.SWITCHES)


def _read(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the controls that are on."""
    return {
        name: values[name]
        for control in controls().values()
        if is_on(control, values)
        for name in setting_names(control)
    }


@cache
def _defaults(control: type[NormConfig]) -> Mapping[str, Any]:
    return {one.name: one.default for one in fields(control)}


@cache
def _combination(controls: tuple[type[NormConfig], ...]) -> type[NormConfig]:
    """The class with the settings of some controls."""
    names = {"__module__": __name__, "__doc__": NormConfig.__doc__}
    # The fields of a dataclass's last base come first.
    return dataclass(frozen=True, eq=False)(type("NormConfig", controls[::-1], names))


def _made(values: dict[str, Any]) -> NormConfig:
    return NormConfig(**values)
