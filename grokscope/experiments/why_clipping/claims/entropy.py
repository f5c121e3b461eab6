"""Does gradient entropy explain it?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from grokscope import figures
from grokscope.analysis import milestones, names, numbers, probes, where
from grokscope.experiments.why_clipping import arms
from grokscope.experiments.why_clipping.claim import Answer
from grokscope.experiments.why_clipping.declared import declare_claim
from grokscope.experiments.why_clipping.evidence import PLAIN, difference, effects, on_tasks
from grokscope.experiments.why_clipping.scale import MAIN
from grokscope.experiments.why_clipping.study import Study, up_to_grok
from grokscope.experiments.why_clipping.verdicts import Verdict, over_tasks
from grokscope.report import Plate
from grokscope.runs import Run

MEASURES = {
    "age": "absolute gradient entropy (AGE)",
    "l1": "L1 norm of the gradient",
    "normalised": "normalised gradient entropy (nats)",
}
GOES_WITH = "with steps to the grok"
DRAWS = 2000
SCALE = "share of AGE's variance that the L1 norm explains (R^2)"
STRONG = 0.75
"""A rank correlation at least so strong, with its whole interval, could be an explanation."""


@declare_claim(
    number=8,
    name="entropy",
    question="Does gradient entropy explain it?",
    prediction="If it does, entropy without the gradient's scale differs between clipped and unclipped networks, and "
    "networks of which it is higher (or lower) before the grok grok sooner. If absolute entropy is the gradient's L1 "
    "norm in other words, it says no more than that norm does.",
    arms={", ".join(arms.FACTORS): "all eight combinations of optimizer, projection and clip"},
    limits=(
        "No arm sets gradient entropy, so this is a correlation over runs that differ in many things: it can speak "
        "against an explanation, and for one at most in part.",
    ),
)
def claim(study: Study) -> Answer:
    """AGE against the gradient's scale; what entropy is without it, and whether that goes with the time to the grok."""
    measured, of_runs = [], []
    for task in study.scale.seeds:
        runs = [run for arm in arms.FACTORS for run in study.traced(task, arm)]
        recorded = whole_gradients(runs)
        values = pd.DataFrame([{"task": task, **of_run(run, where(recorded, run=run.name))} for run in runs])
        of_runs.append(values)
        measured += _effects(task, values)
    table, every = effects(measured), pd.concat(of_runs, ignore_index=True)
    shown = [run for arm in (arms.HEADLINE, arms.BASELINE) for run in study.traced(MAIN, arm)]
    kept = whole_gradients(shown)
    return Answer(
        over_tasks(list(_verdicts(table).values())),
        tuple(_sentences(table)),
        table,
        (
            Plate(
                "entropy_over_training",
                figures.gradient_entropy(kept, milestones(shown)),
                kept,
                f"Entropy of the gradient of each recorded batch on {MAIN}: absolute as published, normalised, and the "
                "L1 norm, up to each run's grok.",
            ),
            Plate(
                "entropy_and_grok",
                figures.grok_against(every, MEASURES),
                every,
                "Each run: means over recorded steps up to its grok (or its end) against the step at which it groks. "
                "Open triangles: not within the budget.",
            ),
        ),
    )


def whole_gradients(runs: list[Run]) -> pd.DataFrame:
    """Recorded entropies of the whole gradient, up to the grok of each run."""
    table = up_to_grok(where(probes(runs), group="all", parameter=""), runs)
    table = table.loc[table["gradient_l1"].notna()]
    columns = ("gradient_absolute_entropy", "gradient_normalised_entropy", "gradient_l1", "gradient_l2")
    return table[["run", "task", "arm", "seed", "step", "group", "parameter", *columns]]


def of_run(run: Run, recorded: pd.DataFrame) -> dict[str, object]:
    """Means up to the grok, and how much of AGE's variance the L1 norm alone explains."""
    age, l1 = (numbers(recorded, name) for name in ("gradient_absolute_entropy", "gradient_l1"))
    return {
        "run": run.name,
        "arm": run.config.arm,
        "seed": run.config.seed,
        "grok_step": np.nan if run.grok_step is None else run.grok_step,
        "budget": run.config.training.steps,
        "age": float(age.mean()),
        "l1": float(l1.mean()),
        "normalised": float(numbers(recorded, "gradient_normalised_entropy").mean()),
        "r_squared": float(np.corrcoef(age, l1)[0, 1] ** 2) if len(age) > 2 else np.nan,
    }


def _effects(task: str, values: pd.DataFrame) -> list[dict[str, object]]:
    said: dict[str, object] = {"task": task, "kind": PLAIN}
    r_squared = numbers(values, "r_squared")
    r_squared = r_squared[~np.isnan(r_squared)]
    measured: list[dict[str, object]] = []
    if len(r_squared):
        within = {"value": float(np.median(r_squared)), "low": r_squared.min(), "high": r_squared.max()}
        told = "median over runs; instead of an interval, their range"
        measured.append(
            said
            | {"arm": "each run", "against": "", "quantity": SCALE, "seeds": len(r_squared), "statement": told}
            | within
        )
    for name, quantity in MEASURES.items():
        pair = [where(values, arm=arm).set_index("seed")[name] for arm in (arms.HEADLINE, arms.BASELINE)]
        measured.append(difference(task, arms.HEADLINE, arms.BASELINE, quantity, list(pair[0] - pair[1])))
        at, low, high = _rank_correlation(values, name)
        told = "runs that did not grok rank last; resampled by run"
        measured.append(
            said
            | {"arm": "all runs", "against": "", "quantity": f"rank correlation of {quantity} {GOES_WITH}"}
            | {"value": at, "low": low, "high": high, "seeds": len(values), "statement": told}
        )
    return measured


def _rank_correlation(values: pd.DataFrame, name: str) -> tuple[float, float, float]:
    """Spearman's, with a percentile interval over resampled runs."""
    x = numbers(values, name)
    y = np.where(values["grok_step"].isna(), np.inf, numbers(values, "grok_step"))
    source = np.random.default_rng(0)
    draws = [source.integers(len(x), size=len(x)) for _ in range(DRAWS)]
    correlations = np.array([_spearman(x[chosen], y[chosen]) for chosen in draws])
    low, high = np.nanquantile(correlations, [0.025, 0.975]) if np.isfinite(correlations).any() else (np.nan, np.nan)
    return _spearman(x, y), float(low), float(high)


def _spearman(x: Float[np.ndarray, " run"], y: Float[np.ndarray, " run"]) -> float:
    ranks = [stats.rankdata(values) for values in (x, y)]
    return float(np.corrcoef(*ranks)[0, 1]) if all(np.ptp(values) for values in ranks) else np.nan


def _verdicts(table: pd.DataFrame) -> dict[str, Verdict]:
    """By the entropy without scale. It is an explanation in part at most: nothing here sets it."""
    verdicts: dict[str, Verdict] = {}
    for task in names(table, "task"):
        quantity = f"rank correlation of {MEASURES['normalised']} {GOES_WITH}"
        row = where(table, task=task, quantity=quantity).iloc[0]
        low, high = float(row["low"]), float(row["high"])
        if low > STRONG or high < -STRONG:
            verdicts[task] = "partly"
        else:
            verdicts[task] = "no" if low > -STRONG and high < STRONG else "cannot tell"
    return verdicts


def _sentences(table: pd.DataFrame) -> list[str]:
    sentences = [on_tasks(table, SCALE, f"{SCALE[:1].upper()}{SCALE[1:]}")]
    for quantity in (MEASURES["normalised"], MEASURES["age"], MEASURES["l1"]):
        correlation = f"rank correlation of {quantity} {GOES_WITH}"
        sentences.append(on_tasks(table, correlation, f"{correlation[:1].upper()}{correlation[1:]}"))
    for quantity in MEASURES.values():
        sentences.append(on_tasks(table, f"difference in {quantity}", f"Clipped less unclipped, {quantity}"))
    return sentences
