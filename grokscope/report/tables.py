"""The tables that every report has, as the text that stands in their cells: a summary, and the settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from grokscope.analysis import milestones
from grokscope.config import NOT_READ, Preset, RunConfig, differences, field_names, presets, settings_of
from grokscope.report.plate import Table

if TYPE_CHECKING:
    from grokscope.runs import Run

_FREE = (
    *("arm", "seed", "forward", "checkpoints.", "training.steps", "training.eval_every"),
    *("training.stop_evaluations", "training.threads", "training.device"),
)
"""A run that differs from a preset in these settings alone repeats the experiment of that preset."""


def summary(runs: Sequence[Run]) -> Table:
    """A row for each run: its settings, when it memorised and grokked, and what the source of its preset reports."""
    reached = milestones(runs)
    rows = []
    for run, row in zip(runs, reached.to_dict("records"), strict=True):
        cells = {
            "arm": row["arm"],
            "task": row["task"],
            "seed": str(row["seed"]),
            "memorised": _step(row["memorisation_step"], row.get("memorisation_by")),
            "grokked": _step(row["grok_step"], row.get("grok_by")),
            "sustained": _step(row["sustained_grok_step"], row.get("sustained_grok_by")),
            "delay": _step(row["delay"]),
            "published": _published(preset_of(run.config)),
            "max norm": "–" if pd.isna(row["max_norm"]) else f"{row['max_norm']:g}",
            "steps": f"{row['steps']:,}" + ("" if row["steps"] == row["budget"] else f" of {row['budget']:,}"),
            "status": row["status"],
        }
        rows.append(cells)
    columns = list(rows[0])
    if reached.duplicated(["task", "arm", "seed"]).any():
        columns.insert(0, "run")
        rows = [{"run": run.name, **cells} for run, cells in zip(runs, rows, strict=True)]
    return Table(
        tuple(columns),
        tuple(tuple(cells[column] for column in columns) for cells in rows),
        frozenset(columns) - {"run", "arm", "task", "status", "published"},
        "Steps are optimizer updates. Sustained: the first grok that holds for the next 5 evaluations. "
        "Delay: from memorised to grokked. Published: the grok step that the source of the same experiment "
        "reports, and over how many seeds it is the median."
        + (" ≤: at or before; what came before is not known." if {*reached} & {"memorisation_by", "grok_by"} else ""),
    )


def preset_of(config: RunConfig) -> Preset | None:
    """The preset whose experiment a run repeats, with any seed, budget and checkpoints; None if there is none."""
    for known in presets().values():
        if all(name.startswith(_FREE) for name in differences(known.config, config)):
            return known
    return None


def differing_settings(runs: Sequence[Run]) -> Table:
    """The settings in which the runs differ, with a column for each run."""
    settings = [flat(run.config) for run in runs]
    values = {name: [one.get(name, NOT_READ) for one in settings] for name in field_names()}
    rows = [
        (name, *map(_value, of_runs))
        for name, of_runs in values.items()
        if any(value != of_runs[0] for value in of_runs)
    ]
    return Table(("setting", *(run.name for run in runs)), tuple(rows))


def full_settings(run: Run) -> Table:
    """Every setting of a run."""
    return Table(("setting", "value"), tuple((name, _value(value)) for name, value in flat(run.config).items()))


def flat(config: RunConfig) -> dict[str, Any]:
    """Every setting that a run reads, by its full name."""
    return settings_of(config)


def _step(value: Any, by: Any = None) -> str:
    """A step; `by` is the step at or before which it lies, where it is not known."""
    if pd.isna(value) and not pd.isna(by):
        return f"≤ {int(by):,}"
    return "–" if pd.isna(value) else f"{int(value):,}"


def _published(known: Preset | None) -> str:
    if known is None or known.published is None:
        return "–"
    if known.published.grok_step is None:
        return "never"
    seeds = "1 seed" if known.published.seeds == 1 else f"{known.published.seeds} seeds"
    return f"{known.published.grok_step:,} ({seeds})"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
