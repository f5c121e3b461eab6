"""The same circuit sooner, or another circuit?"""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
from jaxtyping import Float

from grokscope import figures
from grokscope.analysis import milestones, names, numbers, run_all, where
from grokscope.experiments.why_clipping import arms
from grokscope.experiments.why_clipping.claim import Answer
from grokscope.experiments.why_clipping.declared import declare_claim
from grokscope.experiments.why_clipping.evidence import difference, effects, on_tasks
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.why_clipping.verdicts import Verdict, over_tasks
from grokscope.report import Plate
from grokscope.runs import Run

TABLES = ("keys", "logit_characters", "restricted_loss", "ablation", "onset")
MEASURES = {
    "onset": "step by which the loss restricted to the answer is below 1 nat",
    "lead": "steps from there to the grok",
    "keys": "key irreps of the embedding",
    "explained": "share of the logits explained by their characters",
    "restricted": "restricted loss over full loss, ln",
    "ablated": "validation accuracy without the key irreps in the embedding",
}
SPECTRUM = ("run", "task", "arm", "seed", "step", "irrep", "frequency", "power", "threshold", "key", "hindsight")
MARGIN = {"keys": 2.0, "explained": 0.15}
"""Differences that would make it another circuit: more keys than this, or so much more of the logits."""


@declare_claim(
    number=7,
    name="circuit",
    question="Is it the same kind of circuit, sooner?",
    prediction="If it is, networks with and without the clip have, at the step at which each reaches validation "
    "accuracy 0.95, as many key irreps, whose characters explain as much of the logits. If not, they differ in either.",
    arms={arms.HEADLINE: "the published method", arms.BASELINE: "Lion without norm control"},
    limits=(
        "Which irreps a network uses differs from seed to seed, clipped or not; compared is how many and how much. "
        f"Two kinds of circuit are called the same if they differ by less than {MARGIN['keys']:g} key irreps and "
        f"{100 * MARGIN['explained']:g}% of the logits, with the whole interval (Student's t over seeds).",
    ),
)
def claim(study: Study) -> Answer:
    """What networks compute with at the step at which each groks: at matched accuracy, not at matched steps."""
    differences, of_runs, kept = [], [], {name: [] for name in TABLES}
    for task in study.scale.seeds:
        values = {}
        for arm in (arms.HEADLINE, arms.BASELINE):
            for run in study.traced(task, arm):
                drawn = run.config.seed == study.scale.traced_seeds[0]
                needed = drawn or run.grok_step is not None
                tables = run_all(run, TABLES, min(4, os.cpu_count() or 1)) if needed else {}
                for name in TABLES if drawn else ():
                    kept[name].append(tables[name])
                measured = measures(run, tables)
                of_runs.append({"run": run.name, "task": task, "arm": arm, "seed": run.config.seed, **measured})
                values[arm, run.config.seed] = measured
        differences += _differences(task, values)
    table = effects(differences)
    shown = [
        run
        for task in study.scale.seeds
        for arm in (arms.HEADLINE, arms.BASELINE)
        for run in study.traced(task, arm)[:1]
    ]
    return Answer(
        over_tasks(list(_verdicts(table).values())),
        tuple(_sentences(table)),
        table,
        tuple(_plates(shown, kept, pd.DataFrame(of_runs))),
    )


def measures(run: Run, tables: dict[str, pd.DataFrame]) -> dict[str, float]:
    """What one network computes with at its grok; NaN throughout for one that did not grok."""
    if run.grok_step is None:
        return dict.fromkeys(MEASURES, np.nan)
    keys, characters, losses, ablated = (
        where(tables[name], step=_nearest(tables[name], run.grok_step), basis="own")
        for name in ("keys", "logit_characters", "restricted_loss", "ablation")
    )
    embed = where(keys, site="embed")
    chosen = set(embed.loc[embed["key"].astype(bool), "irrep"])
    of_keys = where(losses, level="logits", split="val", set="hindsight")
    without = where(ablated, site="embedding", split="val", set="hindsight")
    onset = where(tables["onset"], quantity="restricted_loss", level="logits", split="val", threshold=1.0)
    return {
        "keys": float(len(chosen)),
        "explained": float(numbers(characters.loc[characters["irrep"].isin(sorted(chosen))], "share").sum()),
        "restricted": _mean(np.log(numbers(of_keys, "restricted_loss") / numbers(of_keys, "full_loss"))),
        "ablated": _mean(numbers(without, "accuracy")),
        "onset": _mean(numbers(onset, "by")),
        "lead": _mean(numbers(onset, "lead_least")),
    }


def _mean(values: Float[np.ndarray, " row"]) -> float:
    """NaN of nothing."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan


def _nearest(table: pd.DataFrame, step: int) -> int:
    """The first checkpoint of a table at or after a step, else the last."""
    steps = np.unique(table["step"].to_numpy(dtype=np.int64))
    return int(steps[min(np.searchsorted(steps, step), len(steps) - 1)])


def _differences(task: str, values: dict[tuple[str, int], dict[str, float]]) -> list[dict[str, object]]:
    """Each measure of the clipped networks less that of the unclipped, paired by seed."""
    differences = []
    seeds = sorted({seed for _, seed in values})
    for name, quantity in MEASURES.items():
        pairs = [(values.get((arms.HEADLINE, seed), {}), values.get((arms.BASELINE, seed), {})) for seed in seeds]
        apart = [clipped.get(name, np.nan) - plain.get(name, np.nan) for clipped, plain in pairs]
        row = difference(task, arms.HEADLINE, arms.BASELINE, quantity, apart)
        differences.append(row | {"statement": "" if row["seeds"] else "no seed of which both networks grokked"})
    return differences


def _verdicts(table: pd.DataFrame) -> dict[str, Verdict]:
    """Yes: both differences within their margins; no: one beyond its margin, with the whole interval."""
    verdicts: dict[str, Verdict] = {}
    for task in names(table, "task"):
        within, beyond = [], []
        for name, margin in MARGIN.items():
            row = where(table, task=task, quantity=f"difference in {MEASURES[name]}").iloc[0]
            low, high = float(row["low"]), float(row["high"])
            within.append(-margin < low and high < margin)
            beyond.append(low > margin or high < -margin)
        verdicts[task] = "yes" if all(within) else "no" if any(beyond) else "cannot tell"
    return verdicts


def _sentences(table: pd.DataFrame) -> list[str]:
    """The first says when, the others with what."""
    onset, lead, *others = (
        on_tasks(table, f"difference in {quantity}", f"{quantity[:1].upper()}{quantity[1:]}, clipped less unclipped")
        for quantity in MEASURES.values()
    )
    return [f"{onset} {lead}", *others]


def _plates(shown: list[Run], kept: dict[str, list[pd.DataFrame]], of_runs: pd.DataFrame) -> list[Plate]:
    tables = {name: pd.concat(parts, ignore_index=True) for name, parts in kept.items()}
    reached = milestones(shown)
    embed = where(tables["keys"], site="embed")
    losses = where(tables["restricted_loss"], basis="own", set="hindsight")
    return [
        Plate(
            "circuit_at_grok",
            figures.paired(of_runs, MEASURES),
            of_runs,
            "What every network computes with at the checkpoint at which it groks; a line joins the two of a seed. "
            "Restricted to the answer: to every function of it, whichever irreps that needs, estimated without the "
            "pair that it is used on.",
        ),
        Plate(
            "circuit_spectrum",
            figures.spectrum_over_training(embed, reached),
            where(embed, basis="own").reindex(columns=list(SPECTRUM)),
            "Share of the embedding's variance that each irrep (frequency) carries, one seed of each arm and task.",
        ),
        Plate(
            "circuit_losses",
            figures.circuit_losses(losses, reached),
            losses,
            "Loss restricted to the final checkpoint's key irreps, and with them excluded, beside the network's own.",
        ),
        Plate(
            "circuit_order",
            figures.learning_order(tables["onset"], reached),
            tables["onset"],
            "When each key irrep of the final checkpoint began to carry more power than its null, for good.",
        ),
    ]
