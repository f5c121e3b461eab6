"""Is there a best norm, and is the delay exponential in it?"""

from __future__ import annotations

import pandas as pd

from grokscope import figures
from grokscope.analysis import DelayLaw, delay_law, delay_table, names, reference_norm
from grokscope.analysis.timing import medians
from grokscope.experiments.why_clipping import arms
from grokscope.experiments.why_clipping.claim import Answer
from grokscope.experiments.why_clipping.configs import bound
from grokscope.experiments.why_clipping.declared import declare_claim
from grokscope.experiments.why_clipping.evidence import PLAIN, effects, in_words, speed_ups
from grokscope.experiments.why_clipping.scale import MAIN, few_seeds_on_main, side_seeds
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.why_clipping.trained import Arms, Settings, rounded
from grokscope.experiments.why_clipping.verdicts import Verdict
from grokscope.report import Plate

DOSES = (0.5, 0.75, 1.25, 1.5)
"""Bounds, relative to the published one."""
CLAMPS = (0.6, 0.8, 1.0, 1.2)
"""Joint norms of all weight matrices, relative to what it is where unclipped runs begin to generalise."""
ARMS = {**{f"dose-{dose:g}": dose for dose in DOSES}, arms.HEADLINE: 1.0}
DOSE = "bound_over_published"
SLOPE = "slope of ln delay by relative norm"


def doses(study: Study, task: str) -> dict[str, Settings]:
    """Projection and clip at other bounds."""
    limit = bound(study.scale, task)
    return {f"dose-{dose:g}": arms.init(limit * dose) | arms.clip(limit * dose) for dose in DOSES}


def clamps(study: Study, task: str) -> dict[str, Settings]:
    """The joint norm held at parts of the reference norm; no arms where no unclipped run generalises."""
    norm = clamp_reference(study)
    if norm is None:
        return {}
    return {f"clamp-{rho:g}": {"norms.clamp_rho": rho, "norms.clamp_reference": norm} for rho in CLAMPS}


def clamp_reference(study: Study) -> float | None:
    """The norm at which unclipped runs begin to generalise; None if none does."""
    try:
        return rounded(reference_norm(study.traced(MAIN, arms.BASELINE)))
    except ValueError:
        return None


@declare_claim(
    number=6,
    name="dose",
    question="Is there a best norm, and is the delay exponential in it?",
    prediction="If there is, bounds below and above the best are slower, and by the same law: with the joint norm of "
    "all weight matrices held at rho times what it is where unclipped networks generalise, the logarithm of the delay "
    "is a line in rho.",
    arms={
        "dose-K": "projection and clip at K times the published bound",
        "clamp-RHO": "no clip; all weight matrices held at RHO times that norm from the first step on",
    },
    trains=(Arms(doses, side_seeds), Arms(clamps, few_seeds_on_main, "matched")),
    on_main_alone="the clamp of claim {number}",
    limits=(
        "Projection and clip change together with the bound. The clamp holds a joint norm of matrices in a network "
        "with LayerNorm, for which the published law was not stated; it is made on one task.",
    ),
)
def claim(study: Study) -> Answer:
    """Bounds around the published one on every task; the joint norm held at several values on the main one."""
    measured, drawn, best = [], [], {}
    for task in study.scale.seeds:
        table = study.timing(task, sorted(ARMS, key=ARMS.__getitem__))
        if len(names(table, "arm")) < 3:
            continue
        measured += _against_best(table, task, best)
        dose = table["arm"].map(ARMS.__getitem__)
        norm = dose * bound(study.scale, task)
        drawn.append(table.assign(arm=f"{task} " + table["arm"], line=task, max_norm=norm, **{DOSE: dose}))
    clamped = [run for run in study.runs("matched", MAIN) if run.config.arm.startswith("clamp-")]
    held = delay_table(clamped) if clamped else None
    law = None if held is None else delay_law(held)
    if law is not None and held is not None:
        values = {"value": law.alpha, "low": law.alpha_low, "high": law.alpha_high, "seeds": held["seed"].nunique()}
        said = {
            "task": MAIN,
            "arm": "clamp",
            "against": "",
            "kind": PLAIN,
            "quantity": SLOPE,
            "statement": law.statement,
        }
        measured.append(said | values)
    table = effects(measured)
    return Answer(
        _verdict(_interior(table), law),
        (*_sentences(table, best), *([law.statement] if law is not None else [])),
        table,
        tuple(_plates(drawn, held, law)),
    )


def _against_best(table: pd.DataFrame, task: str, best: dict[str, str]) -> list[dict[str, object]]:
    """The best bound against the smallest and the largest."""
    middles = medians(table)
    order = list(middles.sort_values(["median", "restricted_mean"], na_position="last")["arm"])
    best[task] = order[0]
    ends = [arm for arm in (names(table, "arm")[0], names(table, "arm")[-1]) if arm != order[0]]
    return [row for end in ends for row in speed_ups(table, task, end, [order[0]])]


def _interior(table: pd.DataFrame) -> list[Verdict]:
    """Whether the best bound is sooner than both ends, task by task."""
    verdicts: list[Verdict] = []
    speed = table.loc[table["kind"] == "speed-up"]
    for task in names(speed, "task"):
        lows = speed.loc[speed["task"] == task, "low"].astype(float)
        verdicts.append("yes" if len(lows) == 2 and (lows > 1).all() else "cannot tell" if len(lows) == 2 else "partly")
    return verdicts


def _verdict(interior: list[Verdict], law: DelayLaw | None) -> Verdict:
    """Yes: a best norm inside the range on every task, and a line with a slope that is not 0. Partly: one of them."""
    if not interior:
        return "cannot tell"
    best = set(interior) == {"yes"}
    line = law is not None and law.alpha_low > 0 and law.r_squared >= 0.75
    return "yes" if best and line else "partly" if line or "yes" in interior else "cannot tell"


def _sentences(table: pd.DataFrame, best: dict[str, str]) -> list[str]:
    sentences = []
    for task, arm in best.items():
        rows = table.loc[(table["task"] == task) & (table["kind"] == "speed-up")].to_dict("records")
        ends = ", ".join(f"{in_words(row)} against {_words(str(row['against']))}" for row in rows)
        sentences.append(f"{task}: soonest at {_words(arm)}: {ends}.")
    return sentences


def _words(arm: str) -> str:
    return "the published bound" if arm == arms.HEADLINE else f"{ARMS[arm]:g} times the published bound"


def _plates(drawn: list[pd.DataFrame], held: pd.DataFrame | None, law: DelayLaw | None) -> list[Plate]:
    plates = []
    if drawn:
        table = pd.concat(drawn, ignore_index=True)
        placed = table.drop_duplicates("arm")[["arm", "line", DOSE]]
        summary = medians(table).merge(placed, on="arm")
        plates.append(
            Plate(
                "dose_response",
                figures.dose_response(table, summary, dose=DOSE, line="line"),
                table,
                "Steps to the grok by bound on row norms, relative to the published one of each task; Lion with "
                "projection and clip.",
            )
        )
    if held is not None and law is not None:
        caption = (
            "Steps to the grok with the joint norm of all weight matrices held from the start, and the fitted line."
        )
        plates.append(Plate("dose_delay_law", figures.delay_law(held, law), held, caption))
    return plates
