"""When does the clip matter?"""

from __future__ import annotations

import pandas as pd

from grokscope import figures
from grokscope.analysis.timing import medians
from grokscope.experiments.why_clipping import arms
from grokscope.experiments.why_clipping.claim import Answer
from grokscope.experiments.why_clipping.claims.causes import alone, share_plate
from grokscope.experiments.why_clipping.configs import bound
from grokscope.experiments.why_clipping.declared import declare_claim
from grokscope.experiments.why_clipping.evidence import effects, in_words, shares_of
from grokscope.experiments.why_clipping.scale import MAIN
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.why_clipping.trained import Arms, Settings
from grokscope.experiments.why_clipping.verdicts import Verdict
from grokscope.report import Plate

SWITCHED_ON = (100, 200, 400, 800, 1600)
SWITCHED_OFF = (25, 50, 100, 200, 400)
ON = {f"on-{step}": step for step in SWITCHED_ON}
OFF = {f"off-{step}": step for step in SWITCHED_OFF}


def switched(study: Study, task: str) -> dict[str, Settings]:
    """`on-K` is plain Lion up to step K, `off-K` the published method up to it."""
    limit = bound(study.scale, task)
    return {
        **{arm: arms.clip(limit) | {"norms.from_step": step} for arm, step in ON.items()},
        **{arm: arms.init(limit) | arms.clip(limit) | {"norms.until_step": step} for arm, step in OFF.items()},
    }


@declare_claim(
    number=9,
    name="window",
    question="Is the clip needed in the first half of the way alone?",
    prediction="If it is, switching it off half way to the grok changes nothing, and switching it on later than that "
    "does nothing more. If it works at any time, the time that is left after it is switched on is the same, and what "
    "it did is lost when it is switched off.",
    arms={
        "on-K": "plain Lion, clipped from step K on",
        "off-K": "projection at the start, clipped up to step K",
    },
    trains=(Arms(switched),),
    on_main_alone=True,
    limits=("Made on one task. Steps are counted from the start of training, not from memorisation.",),
)
def claim(study: Study) -> Answer:
    """The clip switched on late, and switched off early."""
    timing = study.timing(MAIN)
    measured = shares_of(timing, MAIN, tuple(ON), "lion", "lion-clip")
    measured += shares_of(timing, MAIN, tuple(OFF), "lion-init", "lion-init-clip")
    table = effects(measured)
    grok = timing.loc[timing["arm"] == arms.HEADLINE, "grok_step"].astype(float).median()
    early = [arm for arm, step in OFF.items() if step <= grok / 2]
    return Answer(
        _verdict([alone(table, MAIN, arm) for arm in early]),
        tuple(_sentences(table)),
        table,
        (
            *_plates(study),
            *share_plate("window_shares", table, "How much of the clip's speed-up is had by a part of it."),
        ),
    )


def _verdict(early: list[Verdict]) -> Verdict:
    """Whether any clip that ends in the first half has the speed-up."""
    if not early:
        return "cannot tell"
    return (
        "yes" if "yes" in early else "no" if set(early) == {"no"} else "partly" if "partly" in early else "cannot tell"
    )


def _sentences(table: pd.DataFrame) -> list[str]:
    sentences = []
    for kind, of, what in (("on", ON, "switched on at step"), ("off", OFF, "switched off after step")):
        rows = {row["arm"]: in_words(row) for row in table.to_dict("records")}
        parts = ", ".join(f"{step}: {rows[arm]}" for arm, step in of.items() if arm in rows)
        whole = "over Lion" if kind == "on" else "over the projection"
        sentences += [f"Share of its speed-up {whole} that the clip has when it is {what} {parts}."] if parts else []
    return sentences


def _plates(study: Study) -> list[Plate]:
    """Time to the grok by when the clip is switched."""
    steps = ON | OFF | {"lion-clip": 0, arms.HEADLINE: 0}
    table = study.timing(MAIN, [arm for arm in steps if arm != arms.HEADLINE])
    if table.empty:
        return []
    line = table["arm"].str.startswith("off").map({True: "clipped up to", False: "clipped from"})
    table = table.assign(line=line, switched_at_step=table["arm"].map(steps.__getitem__))
    summary = medians(table).merge(table.drop_duplicates("arm")[["arm", "line", "switched_at_step"]], on="arm")
    figure = figures.dose_response(table, summary, dose="switched_at_step", line="line", even=True)
    caption = (
        f"Steps to the grok on {MAIN} by the step at which the clip is switched: on, in plain Lion (at 0: clipped "
        "throughout), or off, in networks whose rows were projected at the start."
    )
    return [Plate("window_runs", figure, table, caption)]
