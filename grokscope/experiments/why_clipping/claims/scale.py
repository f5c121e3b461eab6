"""3. Is it the scale of the logits?"""

from __future__ import annotations

from grokscope.experiments.why_clipping.claim import Claim
from grokscope.experiments.why_clipping.claims.causes import by_task, sentence, share_plate, strips
from grokscope.experiments.why_clipping.evidence import effects, shares_of
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.why_clipping.verdicts import over_tasks

COOLED, UNCOOLED = "temperature", "clip-untempered"


def claim(study: Study) -> Claim:
    """The clip's logit scale without the clip, and the clip without its logit scale."""
    found = []
    for task in study.scale.seeds:
        table = study.timing(task)
        found += shares_of(table, task, [COOLED], "lion", "lion-clip")
        found += shares_of(table, task, [UNCOOLED], "lion-init", "lion-init-clip")
    table = effects(found)
    return Claim(
        3,
        "scale",
        "Is it the logit scale?",
        "If it is, dividing the logits by what the clip shrinks the final gain by does without a clip what the clip "
        "does, and multiplying them by as much in a clipped network undoes it.",
        {
            COOLED: "no clip; logits divided by sqrt(128) / bound before the loss",
            UNCOOLED: "projection and clip; logits multiplied by that",
        },
        over_tasks(list(by_task(table, COOLED, UNCOOLED).values())),
        (
            *sentence(table, COOLED, "Of the clip's speed-up over Lion, the temperature alone has"),
            *sentence(
                table, UNCOOLED, "Of what the clip adds to projection, it keeps, with its effect on the scale undone,"
            ),
        ),
        table,
        (
            *strips(study, "scale_runs", ("lion", COOLED, "lion-clip", "lion-init", UNCOOLED, "lion-init-clip"), ""),
            *share_plate("scale_shares", table, "How much of the clip's speed-up the logit scale has."),
        ),
        limits=(
            "Made on one task. A temperature sets the scale at the start, and weights may grow against it; the clip "
            "bounds the gain for good, but not the unembedding.",
        ),
    )
