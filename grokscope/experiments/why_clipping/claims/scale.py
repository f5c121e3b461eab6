"""Is it the scale of the logits?"""

from __future__ import annotations

from grokscope.experiments.why_clipping.arms import clip, init
from grokscope.experiments.why_clipping.claim import Answer
from grokscope.experiments.why_clipping.claims.causes import by_task, sentence, share_plate, strips
from grokscope.experiments.why_clipping.configs import bound, published_method
from grokscope.experiments.why_clipping.declared import declare_claim
from grokscope.experiments.why_clipping.evidence import effects, shares_of
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.why_clipping.trained import Arms, Settings
from grokscope.experiments.why_clipping.verdicts import over_tasks

COOLED, UNCOOLED = "temperature", "clip-untempered"


def cooled(study: Study, task: str) -> dict[str, Settings]:
    """The logits divided by what the clip shrinks the final gain by, and the clip with that undone.

    A LayerNorm gain of ones has norm sqrt(d_model); a clip shrinks it, and with the last one the logits, to the bound.
    """
    limit = bound(study.scale, task)
    shrinkage = max(published_method(study.scale, task).model.d_model ** 0.5 / limit, 1.0)
    return {
        COOLED: {"loss.temperature": shrinkage},
        UNCOOLED: init(limit) | clip(limit) | {"loss.temperature": 1 / shrinkage},
    }


@declare_claim(
    number=3,
    name="scale",
    question="Is it the logit scale?",
    prediction="If it is, dividing the logits by what the clip shrinks the final gain by does without a clip what the "
    "clip does, and multiplying them by as much in a clipped network undoes it.",
    arms={
        COOLED: "no clip; logits divided by sqrt(128) / bound before the loss",
        UNCOOLED: "projection and clip; logits multiplied by that",
    },
    trains=(Arms(cooled),),
    on_main_alone=True,
    limits=(
        "Made on one task. A temperature sets the scale at the start, and weights may grow against it; the clip "
        "bounds the gain for good, but not the unembedding.",
    ),
)
def claim(study: Study) -> Answer:
    """The clip's logit scale without the clip, and the clip without its logit scale."""
    measured = []
    for task in study.scale.seeds:
        table = study.timing(task)
        measured += shares_of(table, task, [COOLED], "lion", "lion-clip")
        measured += shares_of(table, task, [UNCOOLED], "lion-init", "lion-init-clip")
    table = effects(measured)
    return Answer(
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
    )
