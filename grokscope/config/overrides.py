"""Configs to and from plain dictionaries, and changes by name."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from grokscope.config.checks import ConfigError
from grokscope.config.schema import SECTIONS, RunConfig


def to_dict(config: RunConfig) -> dict[str, Any]:
    """The config as nested dictionaries of JSON and TOML values (tuples become lists)."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, tuple | list) else value

    return plain(dataclasses.asdict(config))


def from_dict(values: Mapping[str, Any]) -> RunConfig:
    """The config that `to_dict` wrote, or any part of one: what is not named keeps its default.

    Raises `ConfigError` for a field that does not exist, with the nearest names.
    """
    return override(RunConfig(), values)


def field_names() -> tuple[str, ...]:
    """Every setting by its full name: `seed`, `task.modulus`, `optimizer.lr`, ..."""
    names = [field.name for field in dataclasses.fields(RunConfig) if field.name not in SECTIONS]
    for section, kind in SECTIONS.items():
        names += [f"{section}.{field.name}" for field in dataclasses.fields(kind)]
    return tuple(names)


def setting(config: RunConfig, name: str) -> Any:
    """The value of the setting with this full name: `setting(config, "optimizer.lr")`."""
    section, _, leaf = name.rpartition(".")
    return getattr(getattr(config, section) if section else config, leaf)


def resolve(name: str) -> str:
    """The full name of a setting given in full (`optimizer.lr`) or by a last part that is unique (`lr`).

    Raises `ConfigError` naming the nearest settings, or the candidates where a short name is ambiguous.
    """
    names = field_names()
    if name in names:
        return name
    matches = [full for full in names if full.rpartition(".")[2] == name]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise ConfigError(f"setting {name!r} is ambiguous: write {' or '.join(matches)}")
    leaves = {full.rpartition(".")[2]: full for full in names}
    near = difflib.get_close_matches(name, names, 3, 0.5)
    near += [leaves[leaf] for leaf in difflib.get_close_matches(name.rpartition(".")[2], leaves, 3, 0.5)]
    hint = f"; nearest: {', '.join(dict.fromkeys(near))}" if near else f"; settings: {', '.join(names)}"
    raise ConfigError(f"there is no setting {name!r}{hint}")


def override(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    """A new config with some settings changed, by full name, short name or nested dictionary.

    Raises `ConfigError` for names that do not exist and for values that are not accepted.
    """
    parts: dict[str, dict[str, Any]] = {}
    top: dict[str, Any] = {}

    def put(full: str, value: Any) -> None:
        section, _, leaf = full.rpartition(".")
        value = _frozen(value)
        target = parts.setdefault(section, {}) if section else top
        if leaf in target:
            raise ConfigError(f"setting {full} is given twice")
        target[leaf] = value

    for name, value in changes.items():
        if name in SECTIONS and isinstance(value, Mapping):
            for leaf, item in value.items():
                put(resolve(f"{name}.{leaf}"), item)
        elif name in SECTIONS and isinstance(value, SECTIONS[name]):
            for field in dataclasses.fields(SECTIONS[name]):
                put(f"{name}.{field.name}", getattr(value, field.name))
        elif name in SECTIONS:
            raise ConfigError(f"{name} = {value!r} is not accepted: use a table of its settings")
        else:
            put(resolve(name), value)
    sections = {section: dataclasses.replace(getattr(config, section), **values) for section, values in parts.items()}
    return dataclasses.replace(config, **top, **sections)


def _frozen(value: Any) -> Any:
    """Lists, at any depth, as tuples."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def differences(first: RunConfig, second: RunConfig) -> dict[str, tuple[Any, Any]]:
    """Settings in which two configs differ, by full name: (value in `first`, value in `second`)."""

    pairs = {name: (setting(first, name), setting(second, name)) for name in field_names()}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
