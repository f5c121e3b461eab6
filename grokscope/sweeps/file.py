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
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from grokscope.capacity import check_memory
from grokscope.config import (
    SECTIONS,
    CheckpointConfig,
    ConfigError,
    RunConfig,
    Variants,
    name_setting,
    preset,
    read_settings,
    resolve,
    settled,
    value_in_file,
)
from grokscope.config.checks import integer, number, refuse, shortened
from grokscope.config.from_file import InFile
from grokscope.config.nearest import did_you_mean
from grokscope.sweeps.job import Job, Resources, Sweep

MOST_RUNS = 100_000
"""Runs of a sweep that does not say that it has so many. At a minute each they take ten weeks of one core, and a
directory each; a grid of more is more often one that has grown by a list too many."""
JOB_BYTES = 2000
"""Memory that a run takes before any is trained: its name, its place, and what of its config no other run shares."""

_TABLES = ("settings", "arms", "grid", "disk", "ray")
_KEYS = ("preset", "seeds", *_TABLES)
_GIVEN_ELSEWHERE = {"arm": "name it as a table, [arms.NAME]", "seed": "use the list `seeds`"}


@dataclass(frozen=True)
class _Setting:
    value: Any
    place: str
    """Where in the file: "[settings] training.steps"."""


def load_sweep(path: str | os.PathLike[str], *, many: bool = False) -> Sweep:
    """The sweep that a file describes, its jobs seed by seed. They are counted before one is made.

    Arguments:
        many: more than `MOST_RUNS` runs are meant.

    Raises `ConfigError`, naming the place in the file, for a file that cannot be read, a name that does not exist, a
    value that is not accepted, an empty or repeating list, two jobs that would share a directory (see `Sweep`), and,
    unless `many`, for more than `MOST_RUNS` runs; and `CapacityError` for more than memory holds.
    """
    file = Path(path)
    table = read_settings(file)
    try:
        return Sweep(file.stem, tuple(_jobs(table, file.parent, many)), _resources(table.get("ray", {})))
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None


def _jobs(table: Mapping[str, Any], folder: Path, many: bool) -> list[Job]:
    _known("the file", table, _KEYS)
    for name in _TABLES:
        _is_table(f"[{name}]", table.get(name, {}))
    seeds = _list("seeds", table.get("seeds"))
    for seed in seeds:
        integer("seeds", seed, 0, 2**31 - 1)
    dense = _dense_seeds(table.get("disk"), seeds)
    settings = _settings("[settings]", table.get("settings", {}), folder)
    lists = _settings("[grid]", table.get("grid", {}), None)
    for setting in lists.values():
        _list(setting.place, setting.value)
    arms = list(_arms(table, folder))
    _check_count(prod(len(values) for values in (seeds, arms, *(setting.value for setting in lists.values()))), many)
    grid = [_points(full, setting, folder) for full, setting in lists.items()]
    variants = [(arm, Variants(base), {**settings, **own}) for arm, base, own in arms]
    jobs = []
    for seed in seeds:
        for arm, base, own in variants:
            for points in product(*grid):
                chosen = own | {point.full: point.setting for point in points}
                name = "-".join([arm, *(point.name for point in points)])
                jobs.append(Job(_config(base, chosen, name, seed, seed in dense)))
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
        refuse(place, name, "use the name of a preset (`grokscope presets`)")
    try:
        return preset(name)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None


def _check_count(count: int, many: bool) -> None:
    """Whether so many runs are meant, and can be held."""
    if count > MOST_RUNS and not many:
        raise ConfigError(
            f"it describes {count:,} runs, more than {MOST_RUNS:,}: a shorter list in [grid] makes fewer; if they are "
            "meant, say so: --many, or load_sweep(file, many=True)"
        )
    if count > MOST_RUNS:
        check_memory(count * JOB_BYTES, f"a sweep of {count:,} runs")


@dataclass(frozen=True)
class _Point:
    """One value of a list of the grid."""

    full: str
    setting: _Setting
    name: str
    """As a part of an arm's name."""


def _points(full: str, setting: _Setting, folder: Path) -> list[_Point]:
    values = [value_in_file(full, item, folder) for item in setting.value]
    leaf = full.rpartition(".")[2]
    return [_Point(full, _Setting(value, setting.place), f"{leaf}-{_text(value)}") for value in values]


def _config(base: Variants, settings: Mapping[str, _Setting], arm: str, seed: int, dense: bool) -> RunConfig:
    try:
        changes = settled({full: setting.value for full, setting in settings.items()})
        config = base.of({**changes, "arm": arm, "seed": seed})
    except ConfigError as error:
        # The schema knows nothing of the file: say where the settings that it names are.
        named = [setting.place for full, setting in settings.items() if full in str(error)]
        raise ConfigError(f"{', '.join(named) or f'arm {arm!r}'}: {error}") from None
    return config if dense else replace(config, checkpoints=_ends(config.checkpoints))


@lru_cache(maxsize=64)
def _ends(checkpoints: CheckpointConfig) -> CheckpointConfig:
    return replace(checkpoints, schedule="ends", steps=())


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


def _dense_seeds(disk: Mapping[str, Any] | None, seeds: Sequence[int]) -> Set[int]:
    """Seeds that keep the checkpoints of their config: all of them, if there is no table."""
    if disk is None:
        return set(seeds)
    _known("[disk]", disk, ("dense_seeds",))
    dense, known = disk.get("dense_seeds"), set(seeds)
    if not isinstance(dense, list) or any(type(seed) is not int or seed not in known for seed in dense):
        refuse("[disk] dense_seeds", dense, f"use a list of some of the seeds {shortened(list(seeds))}")
    return set(dense)


def _resources(table: Mapping[str, Any]) -> Resources:
    _known("[ray]", table, [field.name for field in fields(Resources)])
    for name, value in table.items():
        number(f"[ray] {name}", value, 0.0, open_low=False)
    return Resources(**table)


def _list(place: str, value: object) -> list[Any]:
    """A list that is not empty and names nothing twice."""
    if not isinstance(value, list) or not value:
        shown = "is missing" if value is None else f"= {shortened(value)} is not accepted"
        raise ConfigError(f"{place} {shown}: use a list of one or more values")
    seen: set[str] = set()
    for item in value:
        # As text, for tables and lists have no hash; 1 and 1.0 are one value.
        text = repr(float(item)) if type(item) is int and abs(item) < 2**53 else repr(item)
        if text in seen:
            raise ConfigError(f"{place} names {shortened(item)} twice: use each value once")
        seen.add(text)
    return value


def _is_table(place: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        refuse(place, value, "use a table")
    return value


def _known(place: str, table: Mapping[str, Any], names: Iterable[str]) -> None:
    names = list(names)
    for name in table:
        if name not in names:
            raise ConfigError(f"{place} has no {name!r}: {did_you_mean(name, names)}")
