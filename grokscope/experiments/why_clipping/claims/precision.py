"""Is it float32?"""

from __future__ import annotations

import numpy as np

from grokscope import figures
from grokscope.analysis import milestones, numbers, probes, where
from grokscope.experiments.why_clipping import arms
from grokscope.experiments.why_clipping.claim import Answer
from grokscope.experiments.why_clipping.claims.causes import alone, sentence, share_plate, strips
from grokscope.experiments.why_clipping.configs import bound
from grokscope.experiments.why_clipping.declared import declare_claim
from grokscope.experiments.why_clipping.evidence import PLAIN, effects, in_words, shares_of, speed_ups
from grokscope.experiments.why_clipping.scale import MAIN
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.why_clipping.trained import Arms, Settings
from grokscope.experiments.why_clipping.verdicts import Verdict
from grokscope.report import Plate

COLUMNS = ("run", "task", "arm", "seed", "step", "logit_std", "margin", "entropy", "zero_loss", "collapse")
DOUBLE, STABLE = "lion-float64", "lion-stablemax"


def exact(study: Study, task: str) -> dict[str, Settings]:
    """Float64, or a loss that does not saturate, in plain Lion and with the published method."""
    limit = bound(study.scale, task)
    whole = arms.init(limit) | arms.clip(limit)
    return {
        DOUBLE: {"model.dtype": "float64"},
        f"{arms.HEADLINE}-float64": whole | {"model.dtype": "float64"},
        STABLE: {"loss.name": "stablemax"},
        f"{arms.HEADLINE}-stablemax": whole | {"loss.name": "stablemax"},
    }


@declare_claim(
    number=4,
    name="precision",
    question="Is it float32, in which a softmax of large logits collapses?",
    prediction="If it is, unclipped networks in float64, or with a loss that does not saturate (StableMax), grok as "
    "soon as clipped ones, and the clip gains nothing there.",
    arms={
        DOUBLE: "no clip, all of the training in float64",
        STABLE: "no clip, StableMax instead of softmax",
        f"{arms.HEADLINE}-float64, -stablemax": "the same with projection and clip",
    },
    trains=(Arms(exact),),
    on_main_alone=True,
    limits=("Made on one task. StableMax changes the loss everywhere, not where a softmax collapses alone.",),
)
def claim(study: Study) -> Answer:
    """Unclipped networks that cannot run out of precision; how much of the softmax collapses in those that can."""
    timing = study.timing(MAIN)
    measured = shares_of(timing, MAIN, [DOUBLE, STABLE])
    measured += speed_ups(timing, MAIN, DOUBLE, [f"{arms.HEADLINE}-float64"])
    measured += speed_ups(timing, MAIN, STABLE, [f"{arms.HEADLINE}-stablemax"])
    shown = [run for arm in (arms.HEADLINE, arms.BASELINE) for run in study.traced(MAIN, arm)]
    recorded, reached = probes(shown), milestones(shown)
    collapse = []
    for arm in (arms.HEADLINE, arms.BASELINE):
        worst = []
        for run in study.traced(MAIN, arm):
            whole = where(recorded, run=run.name, group="all", parameter="")
            until = whole.loc[whole["step"] <= (run.grok_step or run.final_step)]
            worst.append(float(np.nanmax(numbers(until, "collapse"), initial=0.0)))
        collapse.append(
            {
                "task": MAIN,
                "arm": arm,
                "against": "",
                "kind": PLAIN,
                "quantity": "largest part of a batch collapsed, up to the grok",
                "value": float(np.mean(worst)),
                "low": min(worst),
                "high": max(worst),
                "seeds": len(worst),
                "statement": "mean over seeds; instead of an interval, their range",
            }
        )
    table = effects([*measured, *collapse])
    whole = where(recorded, group="all", parameter="")
    return Answer(
        _verdict([alone(table, MAIN, arm) for arm in (DOUBLE, STABLE)]),
        (
            *sentence(table, DOUBLE, "Of the clip's speed-up over Lion, float64 alone has"),
            *sentence(table, STABLE, "StableMax alone has"),
            *(
                f"The clip's speed-up over {row['against']}: {in_words(row)}."
                for row in table.loc[table["kind"] == "speed-up"].to_dict("records")
            ),
            *(
                f"{row['arm']}: at most {100 * row['value']:.2g}% of a batch has collapsed up to the grok (mean of "
                f"{row['seeds']} seeds)."
                for row in collapse
            ),
        ),
        table,
        (
            *strips(
                study,
                "precision_runs",
                ("lion", DOUBLE, STABLE, "lion-init-clip", "lion-init-clip-float64", "lion-init-clip-stablemax"),
                "",
            ),
            *share_plate("precision_shares", table, "How much of the clip's speed-up exactness has."),
            Plate(
                "precision_collapse",
                figures.logit_scale(recorded, reached),
                whole.reindex(columns=list(COLUMNS)),
                "Scale of the logits, and the part of each batch whose loss float32 cannot tell from 0 or whose "
                "softmax has collapsed.",
            ),
        ),
    )


def _verdict(verdicts: list[Verdict]) -> Verdict:
    """The better of the two verdicts, for each arm is one way to be exact; no, if both are no."""
    for verdict in ("yes", "partly"):
        if verdict in verdicts:
            return verdict
    return "no" if set(verdicts) == {"no"} else "cannot tell"
