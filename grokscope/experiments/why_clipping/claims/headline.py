"""1. How much of the headline is the clip, and how much the optimizer, the initialisation and the baseline's tuning?"""

from __future__ import annotations

from math import isnan

import pandas as pd

from grokscope import figures
from grokscope.analysis import names
from grokscope.analysis.timing import best_settings, decomposition, grid_medians
from grokscope.experiments.why_clipping import arms
from grokscope.experiments.why_clipping.claim import Claim
from grokscope.experiments.why_clipping.evidence import SPEED_UP, effects, in_words, speed_ups
from grokscope.experiments.why_clipping.plan import bound
from grokscope.experiments.why_clipping.scale import MAIN
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.why_clipping.verdicts import LITTLE, MOST, Verdict
from grokscope.report import Plate

BEGINNING = "adamw"
SHARE = "share of the log speed-up"
TUNED = ("lion-tuned", "clip-tuned")


def claim(study: Study) -> Claim:
    """Three switches in every order, on every task; tuned baselines on the main one; the published baseline."""
    found, drawn, of_clip = [], [], {}
    for task in study.scale.seeds:
        table = study.timing(task, tuple(arms.FACTORS))
        if not set(arms.FACTORS) <= set(names(table, "arm")):
            continue
        parts = decomposition(table, arms.FACTORS)
        drawn.append(_runs(table, task))
        found += [_effect(task, row) for row in parts.loc[parts["order"].isin(["total", "average"])].to_dict("records")]
        whole, clip = (
            parts.loc[(parts["order"] == order) & (parts["factor"] == factor)].iloc[0]
            for order, factor in (("total", "all"), ("average", "clip"))
        )
        of_clip[task] = (float(clip["low"]), float(clip["log_ratio"] / whole["log_ratio"]))
    main = study.timing(MAIN)
    found += speed_ups(main, MAIN, BEGINNING, [*TUNED, arms.HEADLINE])
    if {"lion-tuned", "clip-tuned"} <= set(names(main, "arm")):
        found += speed_ups(main, MAIN, "lion-tuned", ["clip-tuned"])
    for task in study.scale.method_tasks:
        others = study.timing(task, stages=("accelerators",))
        found += speed_ups(others, task, "adamw", ["adamw-decay1", "lion-clip"])
    table = effects(found)
    return Claim(
        1,
        "headline",
        "Is the speed-up the clip's, and not that of the optimizer, the initialisation or an untuned baseline?",
        "If it is, switching the clip on gives most of the total, whatever else is on already, and a clipped arm beats "
        "baselines tuned as hard. If not, Lion, the projection of rows at the start, or a better learning rate and "
        "weight decay give most of it.",
        {
            "adamw": "AdamW, at the best of nine settings of learning rate and weight decay, found on other seeds",
            "lion": "Lion, learning rate 1e-3, no weight decay",
            "-init": "every row projected to the published bound before training",
            "-clip": "decoder rows clipped to that bound after every step",
            "lion-tuned, clip-tuned": "the best of nine settings of learning rate by weight decay, or by bound",
        },
        _verdict(of_clip),
        tuple(_sentences(table, of_clip)),
        table,
        tuple(_plates(study, table, drawn)),
        limits=(
            "The switches interact: a share is an average over the six orders in which they can be switched on. "
            "Learning rate, weight decay and bound were tuned on multiplication alone, over nine settings each; the "
            "other tasks have AdamW at the setting found there.",
        ),
    )


def _verdict(of_clip: dict[str, tuple[float, float]]) -> Verdict:
    """By the clip's average contribution: whether it is seen at all (its interval), and its share of the total."""
    if not of_clip or any(low != low for low, _ in of_clip.values()):
        return "cannot tell"
    shares = [share for low, share in of_clip.values() if low > 0]
    if not shares:
        return "no" if all(share < LITTLE for _, share in of_clip.values()) else "cannot tell"
    return "yes" if len(shares) == len(of_clip) and min(shares) >= MOST else "partly"


def _sentences(table: pd.DataFrame, of_clip: dict[str, tuple[float, float]]) -> list[str]:
    told = []
    for task, (_, share) in of_clip.items():
        rows = {
            (row["arm"], row["against"]): in_words(row) for row in table.loc[table["task"] == task].to_dict("records")
        }
        told.append(
            f"{task}: from tuned AdamW to Lion with projection and clip {rows['all switches', BEGINNING]}. Averaged "
            f"over the orders of switching them on, Lion gives {rows['lion', 'average over orders']}, the projection "
            f"{rows['init', 'average over orders']}, the clip {rows['clip', 'average over orders']}"
            + ("." if isnan(share) else f": {100 * share:.0f}% of the logarithm of the speed-up is the clip's.")
        )
    for row in table.to_dict("records"):
        if (row["arm"], row["against"]) == ("clip-tuned", "lion-tuned"):
            told.append(f"With equal tuning, the clip against Lion without it on {row['task']}: {in_words(row)}.")
        if (row["arm"], row["against"]) == ("adamw-decay1", "adamw"):
            told.append(
                f"{row['task']}: against the published baseline (AdamW, weight decay 0.01), weight decay 1 alone gives "
                f"{in_words(row)}."
            )
    return told


def _effect(task: str, row: dict[str, object]) -> dict[str, object]:
    total = row["order"] == "total"
    return {
        "task": task,
        "arm": "all switches" if total else row["factor"],
        "against": BEGINNING if total else "average over orders",
        "kind": SPEED_UP,
        "quantity": "speed-up in steps",
        "value": row["speed_up"],
        "low": row["speed_up_low"],
        "high": row["speed_up_high"],
        "seeds": row["seeds"],
        "statement": "; ".join(
            filter(None, [str(row["bound"]) if row["bound"] != "exact" else "", str(row["statement"])])
        ),
    }


def _runs(table: pd.DataFrame, task: str) -> pd.DataFrame:
    return table.assign(task=task, clip=table["arm"].str.endswith("-clip"), arm=table["arm"].str.removesuffix("-clip"))


def _plates(study: Study, table: pd.DataFrame, drawn: list[pd.DataFrame]) -> list[Plate]:
    plates = []
    if drawn:
        runs = pd.concat(drawn, ignore_index=True)
        plates.append(
            Plate(
                "headline_runs",
                figures.methods(runs),
                runs,
                "Steps to the grok of every run, with each combination of optimizer, projection of rows at the start "
                "and clip. Open triangles: not within the budget.",
            )
        )
        contributions = table.loc[
            table["against"].isin(["average over orders", BEGINNING]) & table["task"].isin(names(runs, "task"))
        ]
        contributions = contributions.loc[~contributions["arm"].isin([*TUNED, arms.HEADLINE])]
        plates.append(
            Plate(
                "headline_contributions",
                figures.forest(_as_speed_ups(contributions)),
                contributions,
                "What each switch contributes to the speed-up over tuned AdamW, averaged over all orders of switching "
                "them on (Shapley values, with 95% bootstrap intervals over seeds), and all three together.",
            )
        )
    grids = arms.grids(bound(study.scale, MAIN))
    for arm, (_, grid) in grids.items():
        tried = study.grid(arm, tuple(grid))
        best = best_settings(tried, list(grid), study.scale.tuning_seeds)
        found = grid_medians(tried, list(grid))
        axes = tuple(map(_short, grid))
        plates.append(
            Plate(
                f"headline_grid_{arm}",
                figures.grid_map(found.rename(columns=_short), *axes, chosen=best.rename(columns=_short)),
                found,
                f"Median steps to the grok on {MAIN}, seeds {', '.join(map(str, study.scale.tuning_seeds))}, at every "
                "setting that was tried; framed: the one that is used.",
            )
        )
    return plates


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _as_speed_ups(table: pd.DataFrame) -> pd.DataFrame:
    """Effects as the forest plot takes them."""
    return pd.DataFrame(
        {
            "baseline": "before",
            "arm": table["task"] + ": " + table["arm"],
            "event": "grok",
            "unit": "steps",
            "speed_up": table["value"].astype(float),
            "low": table["low"].astype(float),
            "high": table["high"].astype(float),
            "is_lower_bound": table["statement"].str.contains("at least"),
            "is_upper_bound": table["statement"].str.contains("at most"),
        }
    )
