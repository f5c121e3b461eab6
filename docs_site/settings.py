"""Presets, settings and experiments: what there is of each, from where it is declared."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import MISSING, fields
from functools import cache
from itertools import pairwise
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from docs_site.commands import prose
from docs_site.declared import own_methods
from docs_site.docstrings import as_markdown, first_line
from docs_site.pages import Page, code, fenced, table
from grokscope.config import (
    FILE_READERS,
    SECTIONS,
    GroupLmos,
    GroupValues,
    Preset,
    RunConfig,
    presets,
    readers,
    setting_type,
    to_dict,
)
from grokscope.config.methods import ROOMS

PATH = "settings.md"


def settings_page() -> Page:
    """Every setting of a run, by section, with its type, its default and the methods that read it."""
    parts = [
        "# Settings",
        "A run is a config, and a config is these settings. On the command line a setting is a flag, "
        '`--training.steps 800` or `--steps 800`; in Python it is an argument, `gs.preset("mul-lion-clip", '
        "steps=800)`; in the file of a sweep, a key. A default is that of a config which names no preset; a preset "
        "has [values of its own](presets.md).",
        "A setting that stands beside methods is read by those, and refused by others.",
        "## Of the run",
        _table(RunConfig, "", [one.name for one in fields(RunConfig) if one.name not in SECTIONS]),
    ]
    for section, kind in SECTIONS.items():
        parts += [f"## {section}", as_markdown(inspect.getdoc(kind) or "")]
        if section in ROOMS:
            classes = [kind, *(one for one in dict.fromkeys(own_methods(section).values()) if one is not kind)]
            parts += [_table_of_classes(classes, section)]
            parts += ["Methods:", _methods(section)]
        else:
            parts.append(_table(kind, section, [one.name for one in fields(kind)]))
    return Page(PATH, "Settings", "\n\n".join(parts) + "\n")


def _methods(section: str) -> str:
    rows = [(code(name), first_line(inspect.getdoc(kind))) for name, kind in own_methods(section).items()]
    return table(("name", "what it does"), rows)


def _table_of_classes(classes: list[type], section: str) -> str:
    """The settings of all methods of a section, each once."""
    rows: dict[str, tuple[str, ...]] = {}
    for kind in classes:
        for one in fields(kind):
            if one.name not in rows:
                rows[one.name] = _row(kind, section, one.name)
    return table(HEADER, rows.values())


HEADER = ("setting", "takes", "left out", "what it says")


def _table(kind: type, section: str, names: list[str]) -> str:
    return table(HEADER, [_row(kind, section, name) for name in names])


def _row(kind: type, section: str, name: str) -> tuple[str, ...]:
    full = f"{section}.{name}" if section else name
    one = next(field for field in fields(kind) if field.name == name)
    default = one.default if one.default is not MISSING else None
    own = own_methods(section) if section in ROOMS else {}
    reading = [method for method in own if method in readers(full)]
    by = "" if len(reading) in (0, len(own)) or section == "norms" else f" Read by {', '.join(map(code, reading))}."
    said = as_markdown(attribute_docs(kind).get(name, "")).replace("\n", " ")
    taken = code("FILE" if setting_type(full) in map(setting_type, FILE_READERS) else takes(setting_type(full)))
    return f'<span id="{full}"></span>{code("--" + full.replace("_", "-"))}', taken, code(shown(default)), said + by


def shown(value: object) -> str:
    """A default as it is typed on the command line."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return str(value)


def takes(kind: Any) -> str:
    """What a setting of a type takes, in words of the command line."""
    if kind in (GroupValues, GroupLmos):
        return f"GROUP={'NUMBER' if kind == GroupValues else 'NORM'} ..."
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return "|".join(map(str, arguments))
    if origin in (Union, UnionType):
        return "|".join("none" if one is NoneType else takes(one) for one in arguments)
    if origin is tuple:
        several = [one for one in arguments if one is not Ellipsis]
        return f"{takes(several[0])} ..." if Ellipsis in arguments else " ".join(map(takes, several))
    if kind is bool:
        return "true|false"
    return {int: "INTEGER", float: "NUMBER", str: "TEXT"}.get(kind, getattr(kind, "__name__", str(kind)))


@cache
def attribute_docs(kind: type) -> dict[str, str]:
    """What the source of a class says below each of its attributes, those of its bases too."""
    docs: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if one.__module__.split(".")[0] != "builtins" and "__dataclass_fields__" in vars(one):
            docs |= dict(_documented(one))
    return docs


def _documented(kind: type) -> Iterator[tuple[str, str]]:
    body = ast.parse(inspect.cleandoc("\n" + inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    for before, after in pairwise(body.body):
        if not isinstance(before, ast.AnnAssign) or not isinstance(before.target, ast.Name):
            continue
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            yield before.target.id, inspect.cleandoc(str(after.value.value))


def presets_page() -> Page:
    """Every preset: what it is about, what its source reports, and the settings that differ from the defaults."""
    every = presets()
    rows = [(f"[`{name}`](#{name})", _grok(one), prose(_source(one)), prose(one.about)) for name, one in every.items()]
    parts = [
        "# Presets",
        f"There are {len(every)} presets: the published experiments, and those of this package, by name. "
        '`grokscope train NAME` trains one, `gs.preset("NAME")` is its config, and `grokscope presets` lists them. '
        "The grok step is what its source reports: the first evaluation with validation accuracy of at least 0.95.",
        table(("preset", "grok step", "source", "what it is"), rows),
        "## What they set",
        "Settings of each preset that differ from the [defaults](settings.md).",
        *(f"### {name} {{ #{name} }}\n\n{fenced(_differing(one), 'toml')}" for name, one in every.items()),
    ]
    return Page("presets.md", "Presets", "\n\n".join(parts) + "\n")


def _grok(preset: Preset) -> str:
    if preset.published is None:
        return ""
    step = preset.published.grok_step
    return f"{'never' if step is None else f'{step:,}'} (n = {preset.published.seeds})"


def _source(preset: Preset) -> str:
    return "" if preset.published is None else preset.published.source


def _differing(preset: Preset) -> str:
    """The settings of a preset that are not those of a config without one, as lines of TOML."""
    plain = _by_name(RunConfig())
    differing = {name: value for name, value in _by_name(preset.config).items() if plain.get(name, MISSING) != value}
    return "\n".join(f"{name} = {_toml(value)}" for name, value in differing.items())


def _by_name(config: RunConfig) -> dict[str, Any]:
    """The settings that a config reads, by full name."""
    values: dict[str, Any] = {}
    for name, value in to_dict(config).items():
        values |= {f"{name}.{leaf}": item for leaf, item in value.items()} if isinstance(value, dict) else {name: value}
    return values


def _toml(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return '"none"' if value is None else str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def experiments_page() -> Page:
    """Every experiment with its question, and how one is started."""
    from grokscope.experiments import experiments

    rows = [(f"`{name}`", prose(one.asks), code(f"grokscope experiment {name}")) for name, one in experiments().items()]
    text = (
        "# Experiments\n\n"
        "An experiment trains its runs, reads them, and writes a table or a page. Started again, it goes on where it "
        "was. With `--scale small` it shows in seconds to minutes that every part works; with `--report-only` it "
        "makes the page of what there is.\n\n"
        f"{table(('experiment', 'what it asks', 'command'), rows)}\n\n"
        f"[All options](commands/experiment.md). What came out of them is on the page of [results](reports/index.md).\n"
    )
    return Page("experiments.md", "Experiments", text)
