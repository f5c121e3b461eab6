"""Named settings: the published experiments and what they are compared with, as TOML package data.

The TOML files beside this module hold tasks, arms, and presets that stand alone. A preset `TASK-ARM` is the base,
overlaid by the task's table, then the arm's; a clip arm takes `max_norm` from the task's `clip_max_norm`, and an arm's
`steps` is its budget, for all tasks or by task.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from grokscope.config.checks import ConfigError, shortened
from grokscope.config.nearest import hint
from grokscope.config.overrides import override
from grokscope.config.schema import RunConfig


@dataclass(frozen=True)
class Published:
    """A result that the source of a preset reports, to be shown beside ours."""

    grok_step: int | None
    """First step with validation accuracy >= 0.95; None where the source reports that it never does."""
    seeds: int
    """Number of seeds behind it (the median, if more than one)."""
    source: str


@dataclass(frozen=True)
class Preset:
    """A named config, with what its source reports."""

    name: str
    config: RunConfig
    about: str
    published: Published | None


@cache
def _tables() -> dict[str, Any]:
    folder = files("grokscope.config.presets")
    texts = [folder.joinpath(name).read_text(encoding="utf-8") for name in ("published.toml", "accelerators.toml")]
    return _merged(*map(tomllib.loads, texts))


def _merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, Mapping) and isinstance(out.get(key), Mapping)
            out[key] = _merged(out[key], value) if both else value
    return out


def _layers() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every preset as (name, what it is, nested settings)."""
    tables = _tables()
    for task_name, task in tables["tasks"].items():
        for arm_name, arm in tables["arms"].items():
            settings = _merged(tables["base"], task["config"], arm["config"])
            if arm.get("clip"):
                settings = _merged(settings, {"norms": {"max_norm": task["clip_max_norm"]}})
            budget = arm.get("steps")
            if isinstance(budget, Mapping):
                budget = budget.get(task_name)
            if budget is not None:
                settings = _merged(settings, {"training": {"steps": budget}})
            settings["arm"] = arm_name
            yield f"{task_name}-{arm_name}", f"{task['about']}; {arm['about']}", settings
    for name, single in tables["presets"].items():
        yield name, single["about"], _merged(tables["base"], single["config"])


@cache
def presets() -> dict[str, Preset]:
    """All presets by name, in the order of the file."""
    published = {
        name: Published(grok_step=row.get("grok_step"), seeds=row["seeds"], source=row["source"])
        for name, row in _tables()["published"].items()
    }
    by_name = {
        name: Preset(name, override(RunConfig(), settings), about, published.get(name))
        for name, about, settings in _layers()
    }
    unknown = set(published) - set(by_name)
    if unknown:
        raise ConfigError(f"presets/published.toml reports results of unknown presets: {', '.join(sorted(unknown))}")
    return by_name


def preset(name: str, /, **overrides: Any) -> RunConfig:
    """The config of a preset, with settings changed by (short or full) name.

    Raises `ConfigError` for an unknown preset or setting, with the nearest names.
    """
    known = presets()
    if name not in known:
        raise ConfigError(f"there is no preset {shortened(name)}; {hint(name, known, 'presets')}")
    return override(known[name].config, overrides)
