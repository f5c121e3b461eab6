"""What some runs show, in sentences. Every number in them is computed from the runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from grokscope.analysis import ALL, milestones, names, norm_trajectories, numbers, reached, where
from grokscope.analysis.timing import speed_up, timing_table

if TYPE_CHECKING:
    from grokscope.runs import Run


def findings(runs: Sequence[Run]) -> list[str]:
    """Sentences about each task: for each arm when it memorised and grokked, and then the final weight norms.

    Clipped arms come first. Where a task has one clipped and one unclipped arm, the last of those sentences
    ends in the speed-up, as `grokscope.analysis.timing.speed_up` has it: the ratio of median grok steps over the seeds
    that both arms have. Where so many runs did not grok that a median is not reached, it is a bound, or there is none.
    """
    table, norms, times = milestones(runs), norm_trajectories(runs), timing_table(runs)
    tasks = names(table, "task")
    sentences = []
    for task in tasks:
        prefix = f"{task}: " if len(tasks) > 1 else ""
        arms = _arms(where(table, task=task))
        lines = [_when(arm) for arm in arms]
        if [arm.clipped for arm in arms] == [True, False]:
            lines[-1] += f"; {_speed_up(where(times, task=task), *arms)}"
        lines.append(_final_norms(arms, norms))
        sentences += [f"{prefix}{sentence}." for sentence in lines]
    return sentences


def left_out(runs: Sequence[Run]) -> list[str]:
    """A sentence for each run of which checkpoints are damaged (`grokscope.runs.Run.sound`)."""
    sentences = []
    for run in runs:
        if run.damaged:
            steps, every = ", ".join(map(str, run.damaged)), len(run.damaged) + len(run.steps)
            sentences.append(
                f"{run.name}: {len(run.damaged)} of {every} checkpoints are damaged and left out, of step {steps}."
            )
    return sentences


class _Arm(NamedTuple):
    name: str
    clipped: bool
    runs: pd.DataFrame  # its rows of the milestones

    def __str__(self) -> str:
        bounds = sorted(set(reached(self.runs, "max_norm")))
        about = f"clipped at {' or '.join(f'{bound:g}' for bound in bounds)}" if bounds else "unclipped"
        return f"{self.name} ({about})"


def _arms(of_task: pd.DataFrame) -> list[_Arm]:
    """The arms of a task, clipped ones first."""
    arms = []
    for name in names(of_task, "arm"):
        runs = where(of_task, arm=name)
        arms.append(_Arm(name, len(reached(runs, "max_norm")) > 0, runs))
    return sorted(arms, key=lambda arm: not arm.clipped)


def _when(arm: _Arm) -> str:
    memorised, grokked = reached(arm.runs, "memorisation_step"), reached(arm.runs, "grok_step")
    before = {name: reached(arm.runs, name) if name in arm.runs else [] for name in ("memorisation_by", "grok_by")}
    n, steps = len(arm.runs), numbers(arm.runs, "steps").max()
    if n > 1:
        first = f"{len(memorised)} of {n} runs memorise{_at(memorised)}{_earlier(before['memorisation_by'])}"
        when = _at(grokked) or f" within {steps:,.0f} steps"
        return f"{arm}: {first}; {len(grokked)} grok{when}{_earlier(before['grok_by'])}"
    train = numbers(arm.runs, "final_train_accuracy")[0]
    if np.isnan(train):
        return f"{arm}: whether it memorised or grokked cannot be told, for its split is not known"
    first = f"memorises{_at(memorised)}" if len(memorised) else f"does not memorise (train accuracy {train:.3f})"
    if len(before["memorisation_by"]):
        first = f"memorised at or before step {before['memorisation_by'][0]:,.0f}"
    if len(grokked):
        return f"{arm} {first} and groks{_at(grokked)}"
    if len(before["grok_by"]):
        return f"{arm} {first} and grokked at or before step {before['grok_by'][0]:,.0f}"
    accuracy = numbers(arm.runs, "final_val_accuracy")[0]
    return f"{arm} {first} and has not grokked after {steps:,.0f} steps (validation accuracy {accuracy:.3f})"


def _earlier(steps: Sequence[float] | Float[np.ndarray, "run"]) -> str:
    """How many more had done so before what is known of them."""
    return f" ({len(steps)} had done so before what is known of them)" if len(steps) else ""


def _at(steps: Float[np.ndarray, "run"]) -> str:
    if not len(steps):
        return ""
    low, middle, high = steps.min(), np.median(steps), steps.max()
    return f" at step {low:,.0f}" if low == high else f" at a median step of {middle:,.0f} ({low:,.0f} to {high:,.0f})"


def _speed_up(times: pd.DataFrame, clipped: _Arm, unclipped: _Arm) -> str:
    """How many times sooner the clipped arm groks, in words; `times` of `timing_table`."""
    try:
        (row,) = speed_up(times, unclipped.name, clipped.name).to_dict("records")
    except ValueError as reason:  # no seed in common, one twice, or a grok at step 0
        return f"no speed-up can be stated: {reason}"
    ratio, is_least, is_most = float(row["speed_up"]), bool(row["is_lower_bound"]), bool(row["is_upper_bound"])
    if np.isnan(ratio):
        return "no speed-up can be stated, since too few runs grokked in the steps that they had"
    factor, way = (f"{ratio:.1f}", "sooner") if ratio >= 1 else (f"{1 / ratio:.1f}", "later")
    # A bound on the other side of 1, or one that rounds to it, does not say which arm is sooner.
    if is_least and (way == "later" or factor == "1.0"):
        return "no speed-up can be stated, since the unclipped arm was trained for too few steps"
    if is_most and (way == "sooner" or factor == "1.0"):
        return "no speed-up can be stated, since the clipped arm was trained for too few steps"
    seeds, most_seeds = int(row["seeds"]), max(len(clipped.runs), len(unclipped.runs))
    over = f" (over the {seeds} of {most_seeds} seeds that both arms have)" if seeds < most_seeds else ""
    return f"the clipped arm groks {'at least ' if is_least or is_most else ''}{factor} times {way}{over}"


def _final_norms(arms: Sequence[_Arm], norms: pd.DataFrame) -> str:
    """Total norm and largest row at the last checkpoint of each arm, medians over its runs."""
    totals = where(norms, group=ALL, parameter="").drop_duplicates("run", keep="last")
    parts = []
    for arm in arms:
        last = totals.loc[totals["run"].isin(names(arm.runs, "run"))]
        norm, row = (np.median(numbers(last, column)) for column in ("norm", "row_max"))
        parts.append(f"{norm:,.1f} for {arm.name} (largest row {row:,.2f})")
    return f"Final weight norm: {', '.join(parts)}"
