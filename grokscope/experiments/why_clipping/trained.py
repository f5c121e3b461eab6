"""What a claim declares to be trained: arms, each a few settings that differ from plain Lion, or whole configs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from grokscope.config import RunConfig
from grokscope.experiments.why_clipping.scale import Scale, Seeds, side_seeds_on_main

if TYPE_CHECKING:
    from grokscope.experiments.why_clipping.study import Study

Settings = dict[str, Any]
"""Values by the full name of a setting."""

Round = Literal["tuning", "looked into", "matched", "on the other seeds", "of one claim"]

STAGES: dict[Round, str] = {
    "tuning": "tuning",
    "looked into": "arms",
    "matched": "matched",
    "on the other seeds": "arms",
    "of one claim": "arms",
}
"""The rounds in the order in which they are trained, each with the folder of its runs.

tuning               grids of equal size, on seeds of their own
looked into          the factorial arms, on the seeds whose runs keep dense checkpoints or record probes
matched              arms whose settings are measured on the runs of the rounds before
on the other seeds   the factorial arms, on the seeds that count for times alone
of one claim         the arms that one claim alone is about
"""


@dataclass(frozen=True)
class Arms:
    """Arms that are trained on some seeds of some tasks."""

    settings: Callable[[Study, str], Mapping[str, Settings]]
    """Settings of every arm on a task, by the arm's name.

    They are asked for when the rounds before have ended, so they may be measured on those runs. A run keeps its first
    and last checkpoint and records no probes, unless `checkpoints.schedule` and `probes.record_every` say otherwise.
    """
    seeds: Callable[[Scale], Seeds] = side_seeds_on_main
    """On which tasks and seeds."""
    round: Round = "of one claim"


@dataclass(frozen=True)
class WholeRuns:
    """Runs whose configs are given whole, in a folder of their own, trained after all `Arms`."""

    stage: str
    """The folder."""
    seeds: Callable[[Scale], tuple[int, ...]]
    configs: Callable[[Study, int], Iterable[RunConfig]]
    """The runs of a seed, asked for when those of the seeds before have ended."""


def arms_by_task(arms: Arms, study: Study) -> dict[str, Mapping[str, Settings]]:
    """Settings of every arm, by task and arm."""
    return {task: arms.settings(study, task) for task, seeds in arms.seeds(study.scale).items() if seeds}


DIGITS = 4
"""Significant digits of what is measured and then set, so that a config can be read."""


def rounded(value: float) -> float:
    """A measured value as a config has it."""
    return float(f"{value:.{DIGITS}g}")
