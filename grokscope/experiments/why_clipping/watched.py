"""The two ends, looked at closely: signal, memory, noise, and what the non-linearity sees, checkpoint by checkpoint.

Their tables are published beside the rows of all runs, so that the page is made on a machine that has no run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from grokscope.analysis import milestones, run_all
from grokscope.analysis.tables.identity import IDENTITY
from grokscope.disk.errors import disk_errors
from grokscope.experiments.ledger import PlannedRun
from grokscope.experiments.why_clipping.tasks import EVERY
from grokscope.runs import open_run

PART = "watched"
COLUMNS = {
    "margins": (*("operation", "signal", "memory", "noise_train", "noise_val", "train_accuracy", "val_accuracy"),),
    "activation_regime": ("layer", "small", "input_std", "input_rms", "linear", "quadratic", "rest"),
    "milestones": ("max_norm", "steps", "budget", "status", "memorisation_step", "grok_step", "sustained_grok_step"),
}
"""What is kept of each table, beside the columns that name run and step."""
_WHOLE = ("memorisation_step", "grok_step", "sustained_grok_step")


def settings(task: str) -> dict[str, object]:
    """What a run that is looked at closely sets otherwise: checkpoints at a cadence, and no margins while it trains."""
    return {"checkpoints.schedule": "dense", "checkpoints.every": EVERY[task], "probes.margins_every": None}


def file_of(table: str) -> str:
    """Where a table is published."""
    return f"{PART}-{table}.csv"


def tables(plan: Sequence[PlannedRun], runs: Path, out: Path) -> dict[str, pd.DataFrame]:
    """Every table of the runs that have ended here, and of others what is published of them; tasks by their presets."""
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in COLUMNS}
    published = {name: _published(out / file_of(name)) for name in COLUMNS}
    for one in plan:
        made = _of_run(runs / one.job.name) if one.has_ended(runs) else {}
        for name, known in published.items():
            rows = made[name].assign(task=one.task, config=one.key[1]) if made else _rows_of(known, one)
            if len(rows):
                parts[name].append(rows)
    return {name: pd.concat(of, ignore_index=True) for name, of in parts.items() if of}


def _of_run(folder: Path) -> Mapping[str, pd.DataFrame]:
    run = open_run(folder)
    made = run_all(run, only=["margins", "activation_regime"], workers=1) | {"milestones": milestones(run)}
    kept = {}
    for name, columns in COLUMNS.items():
        step = ["step"] if "step" in made[name] else []
        kept[name] = made[name].reindex(columns=[*IDENTITY, *step, *columns])
    return kept


def _rows_of(known: pd.DataFrame, run: PlannedRun) -> pd.DataFrame:
    name, config = run.key
    return known.loc[(known["run"] == name) & (known["config"] == config)] if len(known) else known


def _published(file: Path) -> pd.DataFrame:
    if not file.exists():
        return pd.DataFrame()
    with disk_errors(f"read {file}"):
        table = pd.read_csv(file, dtype={"config": str})
    return table.astype({name: "Int64" for name in _WHOLE if name in table})
