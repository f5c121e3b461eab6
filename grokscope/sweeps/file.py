"""A sweep from a TOML file: a base preset, arms, a grid, seeds.

    preset = "mul-lion-clip"           # left out: the default config
    seeds = [0, 1, 2]
    [settings]                         # of every run, by full name, short name or in tables
    training.steps = 8000
    [arms.lion]                        # settings of one arm; `preset` replaces the base
    [arms.adam]
    preset = "mul-adam-clip"
    [grid]                             # every combination, crossed with all arms
    "norms.max_norm" = [1, 2, "none"]
    [disk]
    dense_seeds = [0]                  # the others keep their first and last checkpoint alone
    [ray]                              # for each run
    num_gpus = 0.25
    [plugins]                          # modules of your own that declare methods, imported first, by every worker too
    modules = ["my_optimizers"]

What comes later wins: preset, settings, arm, grid, seed. The text "none" stands for None where a setting can be left
out. A run's arm is the name of its arm and, for each setting of the grid, the last part of its name and its value:
`lion-max_norm-1.5`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

from grokscope.config import (
    SECTIONS,
    ConfigError,
    RunConfig,
    name_setting,
    override,
    preset,
    read_settings,
    resolve,
    settled,
    value_in_file,
)
from grokscope.config.checks import integer, number
from grokscope.config.from_file import InFile
from grokscope.config.nearest import did_you_mean
from grokscope.sweeps.job import Job, Resources, Sweep

_TABLES = ("settings", "arms", "grid", "disk", "ray")
_KEYS = ("preset", "seeds", *_TABLES)
_GIVEN_ELSEWHERE = {"arm": "name it as a table, [arms.NAME]", "seed": "use the list `seeds`"}


@dataclass(frozen=True)
class _Setting:
    value: Any
    place: str
    """Where in the file: "[settings] training.steps"."""


def load_sweep(path: str | os.PathLike[str]) -> Sweep:
    """The sweep that a file describes, its jobs seed by seed.

    Raises `ConfigError`, naming the place in the file, for a file that cannot be read, a name that does not exist, a
    value that is not accepted, an empty or repeating list, and two jobs that would share a directory (see `Sweep`).
    """
    file = Path(path)
    table = read_settings(file)
    try:
        return Sweep(file.stem, tuple(_jobs(table, file.parent)), _resources(table.get("ray", {})))
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None


def _jobs(table: Mapping[str, Any], folder: Path) -> list[Job]:
    _known("the file", table, _KEYS)
    for name in _TABLES:
        _is_table(f"[{name}]", table.get(name, {}))
    seeds = _list("seeds", table.get("seeds"))
    for seed in seeds:
        integer("seeds", seed, 0, 2**31 - 1)
    dense = _dense_seeds(table.get("disk"), seeds)
    settings = _settings("[settings]", table.get("settings", {}), folder)
    grid = {
        full: [
            _Setting(value_in_file(full, item, folder), setting.place) for item in _list(setting.place, setting.value)
        ]
        for full, setting in _settings("[grid]", table.get("grid", {}), None).items()
    }
    arms = list(_arms(table, folder))
    jobs = []
    for seed in seeds:
        for arm, base, own in arms:
            for point in product(*grid.values()):
                chosen = dict(zip(grid, point, strict=True))
                name = "-".join([arm, *(f"{full.rpartition('.')[2]}-{_text(at.value)}" for full, at in chosen.items())])
                jobs.append(Job(_config(base, {**settings, **own, **chosen}, name, seed, seed in dense)))
    return jobs


def _arms(table: Mapping[str, Any], folder: Path) -> Iterator[tuple[str, RunConfig, dict[str, _Setting]]]:
    """Name, base and own settings of each arm; one arm without settings of its own, if the file names none."""
    base = _base("preset", table["preset"]) if "preset" in table else RunConfig()
    if "arms" not in table:
        yield base.arm, base, {}
        return
    if not table["arms"]:
        raise ConfigError("[arms] is empty: name an arm, [arms.NAME], or leave the table out")
    for name, arm in table["arms"].items():
        place = f"[arms.{name}]"
        own = dict(_is_table(place, arm))
        start = _base(f"{place} preset", own.pop("preset")) if "preset" in own else base
        yield name, start, _settings(place, own, folder)


def _base(place: str, name: object) -> RunConfig:
    if not isinstance(name, str):
        raise ConfigError(f"{place} = {name!r} is not accepted: use the name of a preset (`grokscope presets`)")
    try:
        return preset(name)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None


def _config(base: RunConfig, settings: Mapping[str, _Setting], arm: str, seed: int, dense: bool) -> RunConfig:
    try:
        changes = settled({full: setting.value for full, setting in settings.items()})
        config = override(base, {**changes, "arm": arm, "seed": seed})
    except ConfigError as error:
        # The schema knows nothing of the file: say where the settings that it names are.
        named = [setting.place for full, setting in settings.items() if full in str(error)]
        raise ConfigError(f"{', '.join(named) or f'arm {arm!r}'}: {error}") from None
    return config if dense else override(config, {"checkpoints.schedule": "ends", "checkpoints.steps": ()})


def _settings(place: str, table: Mapping[str, Any], folder: Path | None) -> dict[str, _Setting]:
    """Values by full name, whether the file has them in tables or by name; as written, if there is no `folder`."""
    settings: dict[str, _Setting] = {}
    for name, value in _flat(table):
        try:
            full = name_setting(name) or resolve(name)
        except ConfigError as error:
            raise ConfigError(f"{place}: {error}") from None
        if full in _GIVEN_ELSEWHERE:
            raise ConfigError(f"{place} {name} is not accepted: {_GIVEN_ELSEWHERE[full]}")
        if full in settings:
            raise ConfigError(f"{place}: setting {full} is given twice")
        settings[full] = _Setting(value if folder is None else value_in_file(full, value, folder), f"{place} {name}")
    return settings


def _flat(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if name in SECTIONS and isinstance(value, Mapping):
            yield from ((f"{name}.{leaf}", item) for leaf, item in value.items())
        else:
            yield name, value


def _text(value: Any) -> str:
    """A value as a part of an arm's name."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}"
    if isinstance(value, InFile):
        return Path(value.name).stem
    return "+".join(map(_text, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def _dense_seeds(disk: Mapping[str, Any] | None, seeds: Sequence[int]) -> Sequence[int]:
    """Seeds that keep the checkpoints of their config: all of them, if there is no table."""
    if disk is None:
        return seeds
    _known("[disk]", disk, ("dense_seeds",))
    dense = disk.get("dense_seeds")
    if not isinstance(dense, list) or any(seed not in seeds for seed in dense):
        raise ConfigError(f"[disk] dense_seeds = {dense!r} is not accepted: use a list of some of the seeds {seeds}")
    return dense


def _resources(table: Mapping[str, Any]) -> Resources:
    _known("[ray]", table, [field.name for field in fields(Resources)])
    for name, value in table.items():
        number(f"[ray] {name}", value, 0.0, open_low=False, open_high=True)
    return Resources(**table)


def _list(place: str, value: object) -> list[Any]:
    """A list that is not empty and names nothing twice."""
    if not isinstance(value, list) or not value:
        shown = "is missing" if value is None else f"= {value!r} is not accepted"
        raise ConfigError(f"{place} {shown}: use a list of one or more values")
    repeated = [item for place_, item in enumerate(value) if item in value[:place_]]
    if repeated:
        raise ConfigError(f"{place} names {repeated[0]!r} twice: use each value once")
    return value


def _is_table(place: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{place} = {value!r} is not accepted: use a table")
    return value


def _known(place: str, table: Mapping[str, Any], names: Iterable[str]) -> None:
    names = list(names)
    for name in table:
        if name not in names:
            raise ConfigError(f"{place} has no {name!r}: {did_you_mean(name, names)}")
