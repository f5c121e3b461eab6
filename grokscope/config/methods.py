"""Settings of methods, declared where each method lives, and collected from there.

A section of a config may be open: which settings it has depends on the methods that there are. `OptimizerConfig`,
`GradientConfig` and `LossConfig` name one method (`NamedMethod`), whose module declares a dataclass of the settings
that it reads. `NormConfig` is the combination of all norm controls (see `norm_control`). The packages of `ROOMS` hold
those modules, one a method; they are imported when a config of the section is first made, and must not import torch.
A module from outside declares by the same decorators as soon as it is imported.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from inspect import get_annotations
from typing import Any, ClassVar, Literal, Self, TypeVar, get_type_hints

from grokscope.collecting import import_modules
from grokscope.config.checks import ConfigError, refuse, shortened
from grokscope.config.nearest import near

ROOMS = {
    "optimizer": "grokscope.optimizers.rules",
    "gradient": "grokscope.optimizers.transforms",
    "norms": "grokscope.norms.controls",
    "loss": "grokscope.engine.losses",
}
"""The packages whose modules declare the methods of a section."""

T = TypeVar("T")


class UnknownMethod(ConfigError):
    """A method, or a setting of one, that no imported module declares."""


class OpenSection:
    """A section of a config whose settings are declared by methods."""

    SECTION: ClassVar[str]
    ORDER: ClassVar[int] = 0
    """Where the settings of a method are listed, and a norm control acts: in increasing order."""
    FIXED: ClassVar[tuple[str, ...]] = ()
    """Settings of a method that cannot change half way: they act at the start, or on what the method remembers."""

    def settings(self) -> dict[str, Any]:
        """Every setting that the section shows, by name."""
        raise NotImplementedError

    def read(self) -> dict[str, Any]:
        """The settings that are read: with these the section can be made again."""
        raise NotImplementedError

    def fixed(self) -> tuple[str, ...]:
        """Settings that cannot change half way through training."""
        return self.FIXED

    def changed(self, values: Mapping[str, Any]) -> Self:
        """The section with some settings changed; those that are no longer read fall away.

        Raises `ConfigError` for one that is named and not read.
        """
        raise NotImplementedError

    @classmethod
    def recorded(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values that are read, of a record that holds every setting, read or not."""
        raise NotImplementedError


_declared: dict[str, dict[str, Any]] = {section: {} for section in ROOMS}
"""The methods of each section by name."""


def declare(section: str, names: Iterable[str], kind: type) -> None:
    """Add a method, a dataclass of its settings, under its names.

    A class of the same module and name takes the place of the former one: a module may be imported again, as in a
    notebook. Raises TypeError where another class has the name, or a setting of the same name has another type.
    """
    known, hints = _declared[section], _types(kind)
    for name in names:
        if name in known and not _is_again(kind, known[name]):
            raise TypeError(f"{section} {name!r} is declared by {known[name].__module__} and by {kind.__module__}")
    for other in known.values():
        theirs = {} if _is_again(kind, other) else _types(other)
        for setting in hints.keys() & theirs.keys():
            if hints[setting] != theirs[setting]:
                raise TypeError(
                    f"{kind.__module__} declares {section}.{setting} as {hints[setting]}, and {other.__module__} as "
                    f"{theirs[setting]}: a setting has one type"
                )
    known |= dict.fromkeys(names, kind)


def _is_again(kind: type, other: type) -> bool:
    return (other.__module__, other.__qualname__) == (kind.__module__, kind.__qualname__)


@cache  # to evaluate annotations takes a millisecond, and every preset and setting asks
def _types(kind: type) -> dict[str, Any]:
    """The settings of a dataclass, but for its name, with their types."""
    hints = get_type_hints(kind)
    return {name: hints[name] for name in setting_names(kind) if name != "name"}


def methods(section: str) -> Mapping[str, Any]:
    """The declared methods of a section by name; the modules of its room are imported for it.

    They are in an order that does not depend on which module was imported first: by `ORDER`, then by module.
    """
    import_modules(ROOMS[section])
    return _in_order(tuple(_declared[section].items()))


@lru_cache(maxsize=16)  # every config that is made asks several times
def _in_order(declared: tuple[tuple[str, Any], ...]) -> Mapping[str, Any]:
    return dict(sorted(declared, key=lambda pair: (pair[1].ORDER, pair[1].__module__)))


def all_declared() -> Hashable:
    """All methods of all sections: what is worked out from them holds for as long as this is the same."""
    for room in ROOMS.values():
        import_modules(room)
    return tuple(tuple(of_section.items()) for of_section in _declared.values())


def declared_methods(section: str) -> dict[str, Any]:
    """The methods that have been declared up to now; none is imported for it."""
    return dict(_declared[section])


def kinds(section: str) -> tuple[Any, ...]:
    """The classes of the declared methods of a section, in the order in which their settings are listed."""
    return tuple(methods(section).values())


def setting_types(section: str) -> dict[str, Any]:
    """The settings of all methods of a section, with their types."""
    return {name: type_ for kind in kinds(section) for name, type_ in _types(kind).items()}


def method(section: str, name: object) -> Any:
    """The method of that name. Raises `UnknownMethod`, naming the known ones, the nearest first."""
    known = methods(section)
    if isinstance(name, str) and name in known:
        return known[name]
    found = near(name.lower(), known) if isinstance(name, str) else []
    others = [other for other in known if other not in found]
    named = f"{section}.name = {shortened(name)} is not accepted"
    raise UnknownMethod(f"{named}: use one of {', '.join([*found, *others])}")


def readers(section: str, setting: str) -> tuple[str, ...]:
    """The methods that read a setting."""
    return tuple(name for name, kind in methods(section).items() if setting in setting_names(kind))


@cache
def setting_names(kind: type) -> tuple[str, ...]:
    """The settings of a dataclass, in order."""
    return tuple(one.name for one in fields(kind))


def and_list(names: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


class NamedMethod(OpenSection):
    """A section that names its method. Making the section by a name gives the settings of that method."""

    NAMES: ClassVar[tuple[str, ...]] = ()
    """The names of a declared method; none: the base that holds what all of them read."""

    name: str

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Dispatch on the name; refuse what the method does not read."""
        name = args[0] if args else settings.get("name", cls.name)
        if cls.NAMES and name not in cls.NAMES:
            raise ConfigError(
                f"{cls.SECTION}.name = {name!r} is not accepted: {cls.__name__} has the settings of "
                f"{and_list(cls.NAMES)}"
            )
        kind = cls if cls.NAMES else method(cls.SECTION, name)
        own = setting_names(kind)
        for setting, value in settings.items():
            if setting not in own and (reading := readers(cls.SECTION, setting)):
                verb = "reads" if len(reading) == 1 else "read"
                refuse(f"{cls.SECTION}.{setting}", value, f"{and_list(reading)} {verb} it, {name} does not")
        return object.__new__(kind)

    def check(self) -> None:
        """Check the settings of the method's own. Raises `ConfigError`."""

    def settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in setting_names(type(self))}

    def read(self) -> dict[str, Any]:
        return self.settings()

    def changed(self, values: Mapping[str, Any]) -> Self:
        own = setting_names(method(self.SECTION, values.get("name", self.name)))
        kept = {name: value for name, value in self.settings().items() if name in own}
        return _base(type(self))(**kept | dict(values))

    @classmethod
    def recorded(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        own = setting_names(method(cls.SECTION, values.get("name", cls.name)))
        known = setting_types(cls.SECTION)
        return {name: value for name, value in values.items() if name in own or name not in known}


def _base(kind: type[T]) -> type[T]:
    """The class of a section that dispatches on the name."""
    return next(one for one in reversed(kind.__mro__) if "SECTION" in vars(one))


def declare_named(kind: type[T], names: tuple[str, ...]) -> type[T]:
    """Make a frozen dataclass of a class of settings, and declare it under its names: the first is its default."""
    kind.__annotations__ = {"name": Literal[names]} | get_annotations(kind)
    kind.name, kind.NAMES = names[0], names  # type: ignore[attr-defined]
    made = dataclass(frozen=True)(kind)
    declare(kind.SECTION, names, made)  # type: ignore[attr-defined]
    return made
