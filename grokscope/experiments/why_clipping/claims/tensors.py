"""Which tensors does the clip act through?"""

from __future__ import annotations

from grokscope.experiments.why_clipping.arms import clip, init
from grokscope.experiments.why_clipping.claim import Answer
from grokscope.experiments.why_clipping.claims.causes import by_task, sentence, share_plate, strips
from grokscope.experiments.why_clipping.configs import bound
from grokscope.experiments.why_clipping.declared import declare_claim
from grokscope.experiments.why_clipping.evidence import effects, shares_of
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.why_clipping.trained import Arms, Settings
from grokscope.experiments.why_clipping.verdicts import over_tasks

ALONE = ("scope-ln_final", "scope-gains", "scope-matrices", "scope-without-gains")
PROJECTED = ("init-scope-gains", "init-scope-without-gains")
GAINS = ["ln", "ln_final"]
ALL_BUT_GAINS = ["attention", "mlp", "pos_embed", "biases"]


def scopes(study: Study, task: str) -> dict[str, Settings]:
    """The clip of some parameter groups, in plain Lion and with rows projected at the start."""
    limit = bound(study.scale, task)
    return {
        "scope-ln_final": clip(limit, ["ln_final"]),
        "scope-without-gains": clip(limit, ALL_BUT_GAINS),
        "scope-gains": clip(limit, GAINS),
        "scope-matrices": clip(limit, ["attention", "mlp"]),
        "init-scope-gains": init(limit) | clip(limit, GAINS),
        "init-scope-without-gains": init(limit) | clip(limit, ALL_BUT_GAINS),
    }


@declare_claim(
    number=2,
    name="tensors",
    question="Does the clip act through the final LayerNorm gain?",
    prediction="If it does, clipping that one vector is as good as clipping all, and clipping all but the gains does "
    "nothing. If it acts through the matrices, it is the other way round.",
    arms={
        "scope-ln_final": "the clip on the final gain (and bias) alone",
        "scope-gains": "on all LayerNorm gains and biases",
        "scope-matrices": "on the rows of attention and MLP",
        "scope-without-gains": "on everything that the clip binds but LayerNorm",
        "init-scope-...": "the same, with rows projected at the start",
    },
    trains=(Arms(scopes),),
    on_main_alone=True,
    limits=(
        "Made on one task. Groups are clipped to one common bound. A gain is one row of 128 weights and the bound "
        "on it is tight (its norm is 11.3 at the start); a tighter bound on the matrices might do more.",
    ),
)
def claim(study: Study) -> Answer:
    """The clip on one group of tensors at a time, and on all but one."""
    measured = []
    for task in study.scale.seeds:
        table = study.timing(task)
        measured += shares_of(table, task, ALONE, "lion", "lion-clip")
        measured += shares_of(table, task, PROJECTED, "lion-init", "lion-init-clip")
    table = effects(measured)
    return Answer(
        over_tasks(list(by_task(table, "scope-ln_final", "scope-without-gains").values())),
        (
            *sentence(table, "scope-ln_final", "Of the clip's speed-up over Lion, a clip of the final gain alone has"),
            *sentence(table, "scope-without-gains", "A clip of everything but the gains has"),
            *sentence(table, "scope-gains", "A clip of all gains has"),
            *sentence(table, "scope-matrices", "A clip of the rows of attention and MLP has"),
            *sentence(
                table,
                "init-scope-gains",
                "With rows projected at the start, a clip of all gains has, of what the clip adds to that,",
            ),
            *sentence(table, "init-scope-without-gains", "With rows projected, a clip of everything but the gains has"),
        ),
        table,
        (
            *strips(
                study,
                "tensors_runs",
                ("lion", *ALONE, "lion-clip", "lion-init", *PROJECTED, "lion-init-clip"),
                "`lion-clip` clips all decoder rows.",
            ),
            *share_plate("tensors_shares", table, "How much of the clip's speed-up a clip of some tensors has."),
        ),
    )
