"""What can be read of a clipped network and of others, at the grok and later; do three numbers fix the accuracy?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from grokscope import figures
from grokscope.analysis import Checkpoint, where
from grokscope.analysis.checkpoint.checkpoint import RunContext
from grokscope.analysis.checkpoint.parts import PARTS
from grokscope.analysis.circuit.accuracy_rule import RULES, fitted_rules
from grokscope.analysis.circuit.answer_share import answer_share
from grokscope.analysis.circuit.answer_spectrum import answer_forms, answer_spectrum
from grokscope.analysis.circuit.margins import margins
from grokscope.analysis.circuit.restricted import READINGS, reading_that_holds, restricted_loss
from grokscope.analysis.tables.identity import identified
from grokscope.config import override, preset
from grokscope.experiments.table import TINY, TINY_TASKS, Plan, Publication, Size, table_experiment
from grokscope.runs import Run
from grokscope.sweeps import Job

TABLE = "readings-at-grok"
EPOCH = {"mul": 10, "s5": 8}
"""Steps between two evaluations of each task, as its presets have it: an epoch."""
AFTER = 500
"""Steps that a run goes on for after its sustained grok."""
ARMS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "mul-clip": ("mul-lion-clip", {}),
    "mul-projection": ("mul-lion-clip", {"norms.max_norm": None, "norms.init_norm": 2.0}),
    "s5-clip": ("s5-lion-clip", {}),
    "s5-adamw": ("s5-adamw", {"optimizer.lr": 3e-3, "optimizer.weight_decay": 1.0}),
}
"""Preset and settings of each arm: the clip, the same without it (projection alone), and AdamW as it was tuned."""
TITLES = {
    "mul-clip": "x · y, Lion, clip",
    "mul-projection": "x · y, Lion, projection alone",
    "s5-clip": "S5, Lion, clip",
    "s5-adamw": "S5, AdamW, tuned",
}
DRAWN = (
    *("run", "task", "arm", "seed", "step"),
    *("val_accuracy", "signal", "memory", "noise_val", "fitted"),
)


def rounds(plan: Plan) -> Iterator[list[Job]]:
    """Every seed of every arm, with a checkpoint at every second evaluation."""
    jobs = []
    for seed in plan.seeds:
        for arm in plan.parts:
            name, settings = ARMS[arm]
            every = EPOCH[name.partition("-")[0]]
            config = override(
                preset(name, arm=arm, seed=seed, steps=8000, record_every=None),
                {
                    "training.eval_every": every,
                    "training.stop_evaluations": AFTER // every,
                    "checkpoints.schedule": "every",
                    "checkpoints.every": 2 * every,
                    **settings,
                },
            )
            jobs.append(Job(plan.sized(config)))
    yield jobs


@table_experiment(
    name="readings",
    asks="What can be read of a clipped network, and do signal, memory and noise fix the accuracy?",
    published=Size(seeds=(0, 1, 2), parts=tuple(ARMS)),
    small=Size(seeds=(0,), parts=tuple(ARMS), settings=TINY, tasks=TINY_TASKS),
    rounds=rounds,
)
def readings(plan: Plan, runs: list[Run]) -> Publication:
    """A row for each run at its grok and at its end, and all checkpoints with the rules that predict accuracy."""
    table = pd.concat([at_grok_and_end(run) for run in runs], ignore_index=True)
    shown = table.reindex(columns=["run", "at", "step", "val_accuracy", "signal", "memory", "noise_val"])
    is_clipped = {run.name: run.config.norms.max_norm is not None for run in runs}
    if len(set(is_clipped.values())) < 2:
        why = "no rule of accuracy: it is fitted on clipped networks and judged by others, and there is one kind alone"
        return Publication({TABLE: table}, shown=shown, lines=(why,))
    measured = pd.concat([margins(run) for run in runs], ignore_index=True)
    # Whatever the arm: a rule that is fitted on networks of one kind is judged by those of the other.
    rules, predicted = fitted_rules(measured, measured["run"].map(is_clipped.__getitem__).to_numpy())
    shown_columns = [*DRAWN, *(f"by {name}" for name in RULES)]
    drawn = predicted.assign(arm=predicted["arm"].map(TITLES.__getitem__)).reindex(columns=shown_columns)
    return Publication(
        {TABLE: table, "accuracy-rules": rules, "accuracy-by-margins": drawn},
        {"accuracy-by-margins": figures.accuracy_by_margins(drawn)},
        shown,
    )


def at_grok_and_end(run: Run) -> pd.DataFrame:
    """What is read of a run at the first checkpoint at or after its grok, if it has one, and at its last."""
    places = {"end": run.steps[-1]}
    if run.grok_step is not None:
        places = {"grok": next((step for step in run.steps if step >= run.grok_step), run.steps[-1]), **places}
    context = RunContext(run)
    rows = []
    for at, step in places.items():
        checkpoint = Checkpoint(context, step)
        rows.append({"at": at, "step": step, **_read(run, checkpoint)})
    return identified(run, pd.DataFrame(rows))


def _read(run: Run, checkpoint: Checkpoint) -> dict[str, object]:
    of_margins = margins.measure(checkpoint).iloc[0].to_dict()
    shares = where(answer_share.measure(checkpoint), split="all").set_index(["site", "part"])["share"]
    last = f"blocks.{run.config.model.n_layers - 1}"
    sites = {"logits": "logits", "last_neurons": f"{last}.mlp.post", "first_neurons": "blocks.0.mlp.post"}
    found = {f"{name}_{part}": shares.loc[(site, part)] for name, site in sites.items() for part in PARTS}
    losses = identified(run, restricted_loss.measure(checkpoint).assign(step=checkpoint.step))
    held = reading_that_holds(losses)
    for level in ("logits", "neurons"):
        rows = where(held, level=level, split="val").iloc[0]
        found |= {f"{name}_loss_{level}": rows[name] for name in READINGS}
        found |= {"full_loss": rows["full_loss"], f"reading_{level}": rows["reading"]}
    spectrum = identified(run, answer_spectrum.measure(checkpoint).assign(step=checkpoint.step))
    form = where(answer_forms(spectrum), basis="own").iloc[0]
    found |= {f"S_{name}": form[name] for name in ("character", "by_answer", "dense", "form", "irreps")}
    keys = where(losses, basis="own", set="key")["n_irreps"].iloc[0]
    return {**of_margins, "key_irreps": keys, **found}
