"""What claims about a suspected cause have in common: an arm with the cause alone, and one with all but it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from grokscope import figures
from grokscope.analysis import names, numbers, where
from grokscope.analysis.timing import medians
from grokscope.experiments.why_clipping.evidence import SHARE, by_tasks
from grokscope.experiments.why_clipping.scale import MAIN
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.why_clipping.verdicts import Verdict, of_cause, of_share
from grokscope.figures import style
from grokscope.report import Plate


def alone(table: pd.DataFrame, task: str, arm: str) -> Verdict:
    """Whether an arm with the cause alone has the speed-up."""
    interval = _interval(table, task, arm)
    return "cannot tell" if interval is None else of_share(*interval)


def undone(table: pd.DataFrame, task: str, arm: str) -> Verdict:
    """Whether an arm that clips, with the cause undone, has lost the speed-up."""
    interval = _interval(table, task, arm)
    return "cannot tell" if interval is None else of_share(1 - interval[1], 1 - interval[0])


def by_task(table: pd.DataFrame, with_it: str, without_it: str) -> dict[str, Verdict]:
    """The verdict on a cause, task by task; where one of the experiments was not made, by the other."""
    verdicts: dict[str, Verdict] = {}
    for task in names(table, "task"):
        made = [arm for arm in (with_it, without_it) if _interval(table, task, arm) is not None]
        if len(made) == 2:
            verdicts[task] = of_cause(alone(table, task, with_it), undone(table, task, without_it))
        elif made:
            verdicts[task] = alone(table, task, with_it) if made == [with_it] else undone(table, task, without_it)
    return verdicts


def _interval(table: pd.DataFrame, task: str, arm: str) -> tuple[float, float] | None:
    """Of an arm's share on a task; None where it was not measured."""
    share = where(table, task=task, arm=arm, kind=SHARE)
    return None if share.empty else (float(numbers(share, "low")[0]), float(numbers(share, "high")[0]))


def sentence(table: pd.DataFrame, arm: str, what: str) -> list[str]:
    """`what`: its share on each task, in words; nothing where there is none."""
    effects_by_task = by_tasks(where(table, arm=arm, kind=SHARE))
    return [f"{what} {effects_by_task}."] if effects_by_task else []


def strips(
    study: Study, name: str, arms: Sequence[str], caption: str, stages: Sequence[str] = ("arms",)
) -> list[Plate]:
    """The grok step of every run of some arms on the main task."""
    table = study.timing(MAIN, arms, stages)
    if table.empty:
        return []
    clipped = [arm for arm in names(table, "arm") if "clip" in arm or "scope" in arm or arm.startswith(("on-", "off-"))]
    colour = {arm: style.CLIPPED[0] if arm in clipped else style.UNCLIPPED[0] for arm in names(table, "arm")}
    figure = figures.seed_strips(table, medians(table), colour)
    return [Plate(name, figure, table, f"Steps to the grok on {MAIN}, run by run. {caption}")]


def share_plate(name: str, table: pd.DataFrame, caption: str) -> list[Plate]:
    """Where arms stand between the baseline and the clipped network, on every task."""
    chosen = where(table, kind=SHARE)
    if chosen.empty:
        return []
    whole = f"{caption} 0%: as slow as the arm that the share starts from; 100%: as fast as the one it ends at. 95% "
    return [Plate(name, figures.shares(chosen), chosen, whole + "bootstrap intervals over seeds.")]
