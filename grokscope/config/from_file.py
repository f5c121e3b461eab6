"""One run's config from a TOML file.

    preset = "mul-lion-clip"           # left out: the default config
    seed = 3
    max_norm = 2                       # any setting, by short or full name
    [optimizer]                        # or in tables
    lr = 1e-4
    [plugins]
    modules = ["my_optimizers"]        # imported first

The text "none" stands for None where a setting can be left out, and settings that come in files (`FILE_READERS`) name
one, relative to the folder of the TOML file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from grokscope.config.checks import ConfigError, shortened
from grokscope.config.files import FILE_READERS, read_settings
from grokscope.config.matrices import tell_nobody
from grokscope.config.overrides import by_full_name, override, setting_type
from grokscope.config.presets import preset
from grokscope.config.schema import RunConfig

_OF_SWEEPS = ("seeds", "arms", "grid", "settings", "disk", "ray")


@dataclass(frozen=True)
class InFile:
    """What is in a file that a setting names: that setting, and what comes with it, such as names of elements."""

    name: str
    settings: Mapping[str, Any]


def config_from_file(path: str | os.PathLike[str]) -> RunConfig:
    """The config that a TOML file describes.

    Raises `ConfigError`, naming the file, for one that cannot be read, a sweep, an unknown preset or setting, and a
    value that is not accepted.
    """
    file = Path(path)
    table = read_settings(file)
    of_sweep = next((name for name in _OF_SWEEPS if name in table), None)
    if of_sweep is not None:
        raise ConfigError(f"{file} has {of_sweep!r}, so it describes many runs: grokscope sweep {file}")
    try:
        name = table.pop("preset", None)
        if name is not None and not isinstance(name, str):
            raise ConfigError(
                f"preset = {shortened(name)} is not accepted: use the name of a preset (`grokscope presets`)"
            )
        values: dict[str, Any] = {}
        for full, value in by_full_name(table):
            if full in values:
                raise ConfigError(f"setting {full} is given twice")
            values[full] = value_in_file(full, value, file.parent)
        return override(RunConfig() if name is None else preset(name), settled(values))
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None


def value_in_file(full: str, value: Any, folder: Path) -> Any:
    """A value as the schema takes it: the text "none" as None, a file's name as what is in it (`InFile`)."""
    if not isinstance(value, str):
        return value
    if value.lower() == "none" and NoneType in get_args(setting_type(full)):
        return None
    return InFile(value, FILE_READERS[full](folder / value, tell_nobody)) if full in FILE_READERS else value


def settled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by full name, with what is in the files that some of them name; what is given itself comes first."""
    given = {full: value for full, value in values.items() if not isinstance(value, InFile)}
    in_files = [value.settings for value in values.values() if isinstance(value, InFile)]
    return {full: value for found in in_files for full, value in found.items()} | given
