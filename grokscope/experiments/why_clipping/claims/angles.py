"""Is it the angular learning rate?"""

from __future__ import annotations

import numpy as np

from grokscope import figures
from grokscope.analysis import milestones, numbers, probes, where
from grokscope.config import GroupName, GroupValues
from grokscope.experiments.why_clipping import arms
from grokscope.experiments.why_clipping.claim import Answer
from grokscope.experiments.why_clipping.claims.causes import by_task, sentence, share_plate, strips
from grokscope.experiments.why_clipping.configs import bound
from grokscope.experiments.why_clipping.declared import declare_claim
from grokscope.experiments.why_clipping.evidence import effects, shares_of
from grokscope.experiments.why_clipping.scale import MAIN
from grokscope.experiments.why_clipping.study import Study, up_to_grok
from grokscope.experiments.why_clipping.trained import Arms, Settings, rounded
from grokscope.experiments.why_clipping.verdicts import over_tasks
from grokscope.report import Plate

COLUMNS = ("run", "task", "arm", "seed", "step", "group", "parameter", "angle_mean", "angle_max")
MATCHED, UNMATCHED = "angle-of-clip", "clip-angle-of-lion"
TURNED: tuple[GroupName, ...] = ("attention", "mlp")
"""Groups whose angular step is matched: those of which a row is a direction. Gains and biases are one row each."""


def turned(study: Study, task: str) -> dict[str, Settings]:
    """Plain Lion with the angular step of the clipped networks, and clipped networks with that of plain Lion."""
    limit = bound(study.scale, task)
    return {
        MATCHED: {"optimizer.angular_step": angular_step(study, arms.HEADLINE)},
        UNMATCHED: arms.init(limit) | arms.clip(limit) | {"optimizer.angular_step": angular_step(study, arms.BASELINE)},
    }


def angular_step(study: Study, arm: str) -> GroupValues:
    """Radians per step that rows turn by in an arm: the median over recorded steps up to the grok, of its traced runs.

    All steps of runs that did not grok count. Raises ValueError where no such run has ended.
    """
    runs = study.traced(MAIN, arm)
    table = up_to_grok(probes(runs), runs)
    angles = {group: numbers(where(table, group=group, parameter=""), "angle_mean") for group in TURNED}
    return tuple((group, rounded(float(np.nanmedian(angles[group])))) for group in TURNED)


@declare_claim(
    number=5,
    name="angles",
    question="Is it the angular learning rate?",
    prediction="A row of smaller norm turns further at the same learning rate. If that is it, unclipped rows of "
    "attention and MLP that turn as far per step as clipped ones grok as soon, and clipped ones that turn as little as "
    "unclipped ones do not.",
    arms={
        MATCHED: "no clip; updates of attention and MLP scaled so that rows turn as in the clipped runs (their "
        "median up to the grok)",
        UNMATCHED: "projection and clip; rows held to the median of the unclipped runs",
    },
    trains=(Arms(turned, round="matched"),),
    on_main_alone=True,
    limits=(
        "One number per group stands for a step that changes during training, and rows are matched in the mean of "
        "their group. Made on one task. LayerNorm makes some matrices nearly, not exactly, scale-invariant.",
    ),
)
def claim(study: Study) -> Answer:
    """Unclipped networks whose rows turn as fast as clipped ones', and clipped ones whose rows turn as slowly."""
    timing = study.timing(MAIN, stages=("arms", "matched"))
    table = effects(shares_of(timing, MAIN, [MATCHED, UNMATCHED]))
    shown = [run for arm in (arms.HEADLINE, arms.BASELINE) for run in study.traced(MAIN, arm)]
    recorded, reached = where(probes(shown), parameter=""), milestones(shown)
    plate = Plate(
        "angles_over_training",
        figures.angular_steps(recorded, reached),
        recorded.reindex(columns=list(COLUMNS)),
        "How far rows turn in a step, group by group, with the clip and without.",
    )
    return Answer(
        over_tasks(list(by_task(table, MATCHED, UNMATCHED).values())),
        (
            *sentence(
                table, MATCHED, "Of the clipped network's speed-up over Lion, its angular step without a clip has"
            ),
            *sentence(table, UNMATCHED, "With the unclipped networks' angular step, projection and clip keep"),
        ),
        table,
        (
            plate,
            *strips(study, "angles_runs", ("lion", MATCHED, UNMATCHED, "lion-init-clip"), "", ("arms", "matched")),
            *share_plate("angles_shares", table, "How much of the speed-up the angular step has."),
        ),
    )
