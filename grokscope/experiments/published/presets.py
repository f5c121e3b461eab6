"""Do the published settings reproduce? Grok steps of several seeds beside the published medians."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from grokscope.analysis.timing import medians, timing_table
from grokscope.config import preset, presets
from grokscope.experiments.table import TINY, TINY_TASKS, Plan, Publication, Size, table_experiment
from grokscope.runs import Run
from grokscope.sweeps import Job

PRESETS = ("mul-lion-clip", "s5-lion-clip")
COLUMNS = ["preset", "seed", "memorisation_step", "grok_step", "sustained_grok_step", "budget"]


def directory(name: str, seed: int) -> str:
    return f"{name}-seed{seed}"


def rounds(plan: Plan) -> Iterator[list[Job]]:
    """Every seed of every preset. Few checkpoints, for only the milestones are wanted."""
    yield [
        Job(
            plan.sized(preset(name, seed=seed, stop_evaluations=0, schedule="log", record_every=None)),
            directory(name, seed),
        )
        for name in plan.parts
        for seed in plan.seeds
    ]


@table_experiment(
    name="presets",
    asks="Do the published settings reproduce?",
    published=Size(seeds=(0, 1, 2, 3, 4), parts=PRESETS),
    small=Size(seeds=(0, 1), parts=PRESETS, settings=TINY, tasks=TINY_TASKS),
    rounds=rounds,
    accepts=lambda name: name in presets(),
)
def reproduced(plan: Plan, runs: list[Run]) -> Publication:
    """A row for each preset and seed, with the median that its source reports."""
    of_run = {directory(name, seed): name for name in plan.parts for seed in plan.seeds}
    table = timing_table(runs)
    table = table.assign(preset=table["run"].map(of_run.__getitem__))
    written = table.reindex(columns=COLUMNS).sort_values(["preset", "seed"], ignore_index=True)
    published = {name: presets()[name].published for name in plan.parts}
    for column, field in (("published_median", "grok_step"), ("published_seeds", "seeds")):
        values = [getattr(published[name], field, None) for name in written["preset"]]
        written[column] = pd.array(values, dtype="Int64")
    middles = medians(table.assign(arm=table["preset"])).rename(columns={"arm": "preset"})
    shown = middles.reindex(columns=["preset", "n", "events", "median", "low", "high"])
    return Publication({"presets": written}, shown=shown)
