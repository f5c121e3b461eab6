"""Which tensors does the clip act through? Memorisation, grok and delay of every arm of the `which-tensor` presets."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from grokscope.analysis import names
from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext
from grokscope.analysis.dynamics.collapse import collapse
from grokscope.analysis.timing import Event, medians, timing_table
from grokscope.config import preset, presets
from grokscope.experiments.table import TINY, TINY_TASKS, Plan, Publication, Size, table_experiment
from grokscope.runs import Run
from grokscope.sweeps import Job

PREFIX = "which-tensor-"
ARMS = tuple(name.removeprefix(PREFIX) for name in presets() if name.startswith(PREFIX))
TIMES = ["arm", "seed", "memorisation_step", "grok_step", "sustained_grok_step", "delay", "budget", "status"]


def rounds(plan: Plan) -> Iterator[list[Job]]:
    """Every arm on a seed before the next seed. A run ends when its grok has been sustained, or at its budget."""
    yield [
        Job(
            plan.sized(preset(f"{PREFIX}{arm}", seed=seed, stop_evaluations=0, schedule="dense", every=20)),
            f"{arm}-seed{seed}",
        )
        for seed in plan.seeds
        for arm in plan.parts
    ]


def logit_scales(run: Run) -> dict[str, object]:
    """The scale of the logits on the train set, as the loss sees it, and the final gain, at the start and the end."""
    context = RunContext(run)
    values: dict[str, object] = {"run": run.name}
    for place, step in (("start", run.steps[0]), ("end", run.steps[-1])):
        table = collapse.measure(Checkpoint(context, step)).set_index("dtype")
        for column in ("logit_std", "final_gain_norm"):
            values[f"{column}_{place}"] = round(float(table.loc[run.config.model.dtype, column]), 4)
    return values


@table_experiment(
    name="which-tensor",
    asks="Which tensors does the clip act through?",
    published=Size(seeds=(0, 1, 2, 3, 4), parts=ARMS),
    small=Size(seeds=(0, 1), parts=("none", "init-and-clip", "clip-gains"), settings=TINY, tasks=TINY_TASKS),
    rounds=rounds,
)
def which_tensor(plan: Plan, runs: list[Run]) -> Publication:
    """A row for each arm and seed."""
    times = timing_table(runs)
    table = times.merge(pd.DataFrame(map(logit_scales, runs)), on="run")
    order = {arm: place for place, arm in enumerate(plan.parts)}
    table = table.sort_values(["arm", "seed"], key=lambda c: c.map(order) if c.name == "arm" else c, ignore_index=True)
    scales = [name for name in table if name.startswith(("logit_std", "final_gain"))]
    arms = names(table, "arm")
    events: tuple[Event, ...] = ("memorisation", "grok", "delay")
    shown = pd.DataFrame({"arm": arms, **{event: list(medians(times, event, arms=arms)["median"]) for event in events}})
    return Publication({"which-tensor": table.reindex(columns=[*TIMES, *scales])}, shown=shown)
