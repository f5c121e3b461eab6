"""5. Is it the angular learning rate?"""

from __future__ import annotations

from grokscope import figures
from grokscope.analysis import milestones, probes, rows
from grokscope.experiments.why_clipping import arms
from grokscope.experiments.why_clipping.claim import Claim
from grokscope.experiments.why_clipping.claims.causes import by_task, sentence, share_plate, strips
from grokscope.experiments.why_clipping.evidence import effects, shares_of
from grokscope.experiments.why_clipping.scale import MAIN
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.why_clipping.verdicts import over_tasks
from grokscope.report import Plate

COLUMNS = ("run", "task", "arm", "seed", "step", "group", "parameter", "angle_mean", "angle_max")
MATCHED, UNMATCHED = "angle-of-clip", "clip-angle-of-lion"


def claim(study: Study) -> Claim:
    """Unclipped networks whose rows turn as fast as clipped ones', and clipped ones whose rows turn as slowly."""
    timing = study.timing(MAIN, stages=("arms", "matched"))
    table = effects(shares_of(timing, MAIN, [MATCHED, UNMATCHED]))
    shown = [run for arm in (arms.HEADLINE, arms.BASELINE) for run in study.traced(MAIN, arm)]
    recorded, reached = rows(probes(shown), parameter=""), milestones(shown)
    plate = Plate(
        "angles_over_training",
        figures.angular_steps(recorded, reached),
        recorded.reindex(columns=list(COLUMNS)),
        "How far rows turn in a step, group by group, with the clip and without.",
    )
    return Claim(
        5,
        "angles",
        "Is it the angular learning rate?",
        "A row of smaller norm turns further at the same learning rate. If that is it, unclipped rows of attention and "
        "MLP that turn as far per step as clipped ones grok as soon, and clipped ones that turn as little as unclipped "
        "ones do not.",
        {
            MATCHED: "no clip; updates of attention and MLP scaled so that rows turn as in the clipped runs (their "
            "median up to the grok)",
            UNMATCHED: "projection and clip; rows held to the median of the unclipped runs",
        },
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
        limits=(
            "One number per group stands for a step that changes during training, and rows are matched in the mean of "
            "their group. Made on one task. LayerNorm makes some matrices nearly, not exactly, scale-invariant.",
        ),
    )
