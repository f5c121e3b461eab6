"""Configs to and from plain dictionaries, and changes by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterator, Mapping
from functools import lru_cache
from typing import Any, get_type_hints

from grokscope.config.checks import DEEPEST, ConfigError, is_too_deep, refuse, shortened
from grokscope.config.methods import OpenSection, all_declared, kinds, setting_names, setting_types
from grokscope.config.methods import readers as method_readers
from grokscope.config.model import ATTENTION_IS_NEEDED
from grokscope.config.nearest import hint
from grokscope.config.schema import OPEN, SECTIONS, RunConfig


class _NotRead:
    """What a setting is in a config whose method does not read it."""

    def __repr__(self) -> str:
        return "not read"


NOT_READ = _NotRead()

_LONGEST_VALUE = 80
"""Characters of a value that are shown where two configs are compared."""

IN_FULL = ("checkpoints.steps", "optimizer.schedule")
"""Settings that go by their full name alone: the short one is that of another setting, and older."""

_LEFT_OUT = {
    "dropout": "there is no dropout: it draws other units at every evaluation of the network, so that losses would not "
    "be those of one function, and engines and replays would not agree to the bit",
    **dict.fromkeys(("model.kind", "model.type", "model.architecture"), ATTENTION_IS_NEEDED),
}
"""What is asked for and is not there, by a part of its name, and why."""


def to_dict(config: RunConfig) -> dict[str, Any]:
    """The config as nested dictionaries of JSON and TOML values (tuples become lists): the settings that are read."""

    def plain(value: Any) -> Any:
        if isinstance(value, OpenSection):
            return {name: plain(item) for name, item in value.read().items()}
        if dataclasses.is_dataclass(value):
            return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return [plain(item) for item in value] if isinstance(value, tuple | list) else value

    return plain(config)


def from_dict(values: Mapping[str, Any], *, recorded: bool = False) -> RunConfig:
    """The config that `to_dict` wrote, or any part of one: what is not named keeps its default.

    Arguments:
        recorded: the values are the record of a run. Records once held every setting, whether the run's methods read
            it or not; what they do not read is left out.

    Raises `ConfigError` for a field that does not exist, with the nearest names; `UnknownMethod` for a method that no
    imported module declares.
    """
    if recorded:
        frozen = {name: _frozen_items(name, value) for name, value in values.items()}
        values = {
            name: SECTIONS[name].recorded(value) if name in OPEN and isinstance(value, Mapping) else value
            for name, value in frozen.items()
        }
    return override(RunConfig(), values)


def field_names() -> tuple[str, ...]:
    """Every setting by its full name: `seed`, `task.modulus`, `optimizer.lr`, ...; those of all methods."""
    return tuple(_known_names())


def _known_names() -> dict[str, None]:
    return _names_of(all_declared())


@lru_cache(maxsize=1)  # every name that is resolved asks
def _names_of(_: Hashable) -> dict[str, None]:
    """All settings, of these declared methods."""
    names = [field.name for field in dataclasses.fields(RunConfig) if field.name not in SECTIONS]
    for section, base in SECTIONS.items():
        kinds_here = (base, *(kinds(section) if section in OPEN else ()))
        leaves = dict.fromkeys(leaf for kind in kinds_here for leaf in setting_names(kind))
        names += [f"{section}.{leaf}" for leaf in leaves]
    return dict.fromkeys(names)


def setting(config: RunConfig, name: str) -> Any:
    """The value of the setting with this name, full or short; `NOT_READ` where the config's method does not read it.

    Raises `ConfigError` for a name that no setting has.
    """
    return settings_of(config).get(resolve(name), NOT_READ)


def setting_type(full: str) -> Any:
    """The type of a setting, given by its full name."""
    section, _, leaf = full.rpartition(".")
    kind = SECTIONS[section] if section else RunConfig
    own = get_type_hints(kind)
    return setting_types(section)[leaf] if section in OPEN and leaf not in setting_names(kind) else own[leaf]


def readers(full: str) -> tuple[str, ...]:
    """The methods that read a setting, given by its full name, of a section whose settings depend on the method."""
    section, _, leaf = full.rpartition(".")
    return method_readers(section, leaf)


def settings_of(config: RunConfig) -> dict[str, Any]:
    """Every setting of a config by its full name: those that its methods have, in the order of `field_names`."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name not in SECTIONS:
            values[field.name] = value
            continue
        own = value.settings() if isinstance(value, OpenSection) else vars(value)
        values |= {f"{field.name}.{leaf}": item for leaf, item in own.items()}
    return {name: values[name] for name in field_names() if name in values}


def resolve(name: str) -> str:
    """The full name of a setting given in full (`optimizer.lr`) or by a last part that is unique (`lr`).

    Raises `ConfigError` naming the nearest settings, or the candidates where a short name is ambiguous.
    """
    names = _known_names()
    if name in names:
        return name
    matches = [full for full in names if full.rpartition(".")[2] == name]
    matches = [full for full in matches if full not in IN_FULL] or matches
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise ConfigError(f"setting {shortened(name)} is ambiguous: write {' or '.join(matches)}")
    why = next((reason for part, reason in _LEFT_OUT.items() if part in name), None)
    raise ConfigError(f"there is no setting {shortened(name)}; {why or hint(name, names, 'settings')}")


def name_setting(section: str) -> str | None:
    """The setting that a section's own name stands for: `task.name` for `task`; None for a section without a name."""
    return f"{section}.name" if section in SECTIONS and "name" in setting_names(SECTIONS[section]) else None


def by_full_name(changes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every setting of some changes by its full name, with its value.

    Settings go by full name or short name, in nested dictionaries or as a whole section; a text for a section that has
    a name stands for that (`task="sub"`). Raises `ConfigError` for a name that no setting has.
    """
    for name, value in changes.items():
        if name not in SECTIONS:
            yield resolve(name), value
        elif isinstance(value, Mapping):
            yield from ((resolve(f"{name}.{leaf}"), item) for leaf, item in value.items())
        elif isinstance(value, SECTIONS[name]):
            own = value.settings() if isinstance(value, OpenSection) else vars(value)
            yield from ((f"{name}.{leaf}", item) for leaf, item in own.items())
        elif isinstance(value, str) and (full := name_setting(name)) is not None:
            yield full, value
        else:
            raise ConfigError(f"{name} = {shortened(value)} is not accepted: use a table of its settings")


def override(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    """A new config with some settings changed, by full name, short name or nested dictionary (see `by_full_name`).

    Where another method is chosen, settings that both read are kept, and those that the new one does not read fall
    away. So do those of a norm control that is switched off.

    Raises `ConfigError` for names that do not exist and for values that are not accepted.
    """
    return Variants(config).of(changes)


class Variants:
    """Configs that are one config with some settings changed, each as `override` makes it.

    A section that several of them share is made once. It is known by the very objects that its settings are given as.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._made: dict[tuple[Any, ...], tuple[Any, dict[str, Any]]] = {}
        """Sections, with the values that they were made of: as long as these are kept, no other object has their id."""
        self._full: dict[str, str] = {}
        """Full names by the names that settings were given by."""

    def of(self, changes: Mapping[str, Any]) -> RunConfig:
        """The config with these settings. Raises `ConfigError` as `override` does."""
        parts: dict[str, dict[str, Any]] = {}
        for full, value in self._by_full_name(changes):
            section, _, leaf = full.rpartition(".")
            given = parts.setdefault(section, {})
            if leaf in given:
                raise ConfigError(f"setting {full} is given twice")
            given[leaf] = value
        top = {leaf: _frozen(leaf, value) for leaf, value in parts.pop("", {}).items()}
        return dataclasses.replace(
            self._config, **top, **{section: self._section(section, given) for section, given in parts.items()}
        )

    def _by_full_name(self, changes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, value in changes.items():
            if name in self._full:
                yield self._full[name], value
                continue
            for full, item in by_full_name({name: value}):
                if name not in SECTIONS:
                    self._full[name] = full
                yield full, item

    def _section(self, section: str, given: dict[str, Any]) -> Any:
        key = (section, *((leaf, id(value)) for leaf, value in given.items()))
        if key not in self._made:
            values = {leaf: _frozen(f"{section}.{leaf}", value) for leaf, value in given.items()}
            self._made[key] = _changed(getattr(self._config, section), values), given
        return self._made[key][0]


def _changed(section: Any, values: Mapping[str, Any]) -> Any:
    return section.changed(values) if isinstance(section, OpenSection) else dataclasses.replace(section, **values)


def _frozen(name: str, value: Any) -> Any:
    """Lists, inside one another too, as tuples. Raises `ConfigError`, naming the setting, where they nest too deep."""
    if is_too_deep(value):
        refuse(name, value, f"use lists inside one another at most {DEEPEST} levels deep")
    return _as_tuples(value)


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list | tuple) else value


def _frozen_items(name: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return _frozen(name, value)
    return {leaf: _frozen(f"{name}.{leaf}", item) for leaf, item in value.items()}


def differences(first: RunConfig, second: RunConfig) -> dict[str, tuple[Any, Any]]:
    """Settings in which two configs differ, by full name: (value in `first`, value in `second`).

    A setting that the method of one does not read has the value `NOT_READ` there.
    """
    one, other = settings_of(first), settings_of(second)
    pairs = {name: (one.get(name, NOT_READ), other.get(name, NOT_READ)) for name in field_names()}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def differences_in_words(first: RunConfig, second: RunConfig, there: str = "there", here: str = "here") -> str:
    """Settings in which two configs differ, in one line: `optimizer.lr = 0.25 there, 0.0001 here; ...`; empty if none.

    Arguments:
        there, here: what is said of the values in `first` and in `second`.
    """
    changed = differences(first, second)
    return "; ".join(f"{name} = {_short(old)} {there}, {_short(new)} {here}" for name, (old, new) in changed.items())


def _short(value: Any) -> str:
    """A value in so many characters as a line has room for: a group's table has thousands."""
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
