"""The ten claims of the earlier experiment: what was said of them, what was wrong with that, and what its runs do show.

Its effects and its runs are kept as it published them (`earlier-claims.csv`, `earlier-runs.csv`); networks had the
published residual, and times are of the first grok unless said otherwise. `lion-init-clip` is projection and clip,
`lion-init` projection alone, `lion-clip-alone` the clip without the projection, `lion` neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from grokscope.analysis import names, numbers, where
from grokscope.experiments.ledger import WHOLE
from grokscope.experiments.why_clipping.effects import in_words
from grokscope.experiments.wording import TITLES, joined

CLAIMS, RUNS = "earlier-claims.csv", "earlier-runs.csv"
NOT_TESTED = "not tested"


@dataclass(frozen=True)
class Published:
    """What the earlier experiment published."""

    effects: pd.DataFrame
    runs: pd.DataFrame

    def effect(self, claim: int, task: str, arm: str, **more: str) -> str:
        """One effect in words. Raises ValueError unless there is exactly one."""
        rows = where(self.effects, claim=claim, task=task, arm=arm, **more).to_dict("records")
        if len(rows) != 1:
            raise ValueError(f"{CLAIMS} has {len(rows)} effects of claim {claim}, {task}, {arm}, {more}: one is needed")
        return in_words(rows[0])

    def on_tasks(self, claim: int, arm: str, **more: str) -> str:
        """One effect on every task that it was measured on."""
        tasks = names(where(self.effects, claim=claim, arm=arm, **more), "task")
        return ", ".join(f"{self.effect(claim, task, arm, **more)} on {TITLES[task]}" for task in tasks)


@dataclass(frozen=True)
class EarlierClaim:
    """One of the ten."""

    number: int
    question: str
    said: str
    """The verdict as it was published, of which the words were often wrong and the numbers right."""
    alone: str | None
    """Whether the suspected cause alone has the clip's effect, as far as its runs show; None: it is no cause."""
    without: str | None
    """Whether the effect is lost without the cause."""
    shown: Callable[[Published], Sequence[str]]
    """What the runs show, in sentences with numbers."""
    wrong: str
    """What the words were wrong about."""
    now: str
    """Where the question is asked today."""
    family: str | None = None
    """The family of arms above that asks it."""

    def today(self, table: pd.DataFrame) -> str:
        """Where the question is asked today, or that its arms have not run.

        Arguments:
            table: of `summary`.
        """
        ran = self.family is None or len(where(table, family=self.family))
        return self.now if ran else "Arms that ask it again have not run yet."


def _headline(published: Published) -> list[str]:
    found = published.effects
    both = [
        (
            f"{TITLES[task]}: by the first grok "
            f"{published.effect(1, task, 'lion-init-clip', against='adamw', quantity='speed-up in steps')}, by the "
            "sustained grok "
            + published.effect(
                1, task, "lion-init-clip", against="adamw", quantity="speed-up in steps to a sustained grok"
            )
        )
        for task in names(where(found, claim=1, arm="lion-init-clip", against="adamw"), "task")
    ]
    return [f"Speed-up of Lion with projection and clip over tuned AdamW without either. {'; '.join(both)}."]


def _tensors(published: Published) -> list[str]:
    shares = {arm: published.effect(2, "mul", arm) for arm in ("scope-ln_final", "scope-gains", "scope-matrices")}
    return [
        f"Shares of the speed-up of the clip without projection on {TITLES['mul']}: clip of the final gain "
        f"{shares['scope-ln_final']}, of all gains {shares['scope-gains']}, of matrices {shares['scope-matrices']}. A "
        "share below 0 is a run that groks later than without any clip."
    ]


def _scale(published: Published) -> list[str]:
    return [
        f"Share of the speed-up of the clip without projection on {TITLES['mul']} that a temperature has: "
        f"{published.effect(3, 'mul', 'temperature')}, so it groks later than without. The clip with its effect on the "
        f"scale multiplied away has {published.effect(3, 'mul', 'clip-untempered')} of what it adds to the projection: "
        "it is later than the projection alone, so the factor itself does harm, and says nothing of what is lost."
    ]


def _precision(published: Published) -> list[str]:
    return [
        f"On {TITLES['mul']} float64 has {published.effect(4, 'mul', 'lion-float64')} of the speed-up and StableMax "
        f"{published.effect(4, 'mul', 'lion-stablemax')}. Projection and clip give "
        f"{published.effect(4, 'mul', 'lion-init-clip-float64')} in float64 and "
        f"{published.effect(4, 'mul', 'lion-init-clip-stablemax')} with StableMax."
    ]


def _angles(published: Published) -> list[str]:
    return [
        f"On {TITLES['mul']} rows turned at one constant angle have {published.effect(5, 'mul', 'angle-of-clip')} of "
        "the speed-up, and the published method with the angle of plain Lion "
        f"{published.effect(5, 'mul', 'clip-angle-of-lion')}."
    ]


def _dose(published: Published) -> list[str]:
    words = {"dose-0.5": "half the published bound", "dose-1.5": "one and a half times the published bound"}
    rows = where(published.effects, claim=6, kind="speed-up").to_dict("records")
    ends = [f"{in_words(row)} on {TITLES[str(row['task'])]} over {words[str(row['against'])]}" for row in rows]
    slope = where(published.effects, claim=6, arm="clamp").to_dict("records")[0]
    return [
        f"Speed-up of the best of five bounds over the ends: {joined(ends)}. The slope of the logarithm of the delay "
        f"by the joint norm, held from the first step, is {in_words(slope | {'statement': ''})}."
    ]


def _circuit(published: Published) -> list[str]:
    quantity = "difference in steps from there to the grok"
    return [
        "Steps from the half fall of the restricted loss to the grok, clipped less unclipped: "
        f"{published.on_tasks(7, 'lion-init-clip', quantity=quantity)}."
    ]


def _entropy(published: Published) -> list[str]:
    quantity = "rank correlation of normalised gradient entropy (nats) with steps to the grok"
    return [
        "Rank correlation of the normalised gradient entropy up to the grok with the steps to it, over runs of eight "
        f"arms together: {published.on_tasks(8, 'all runs', quantity=quantity)}."
    ]


def _window(published: Published) -> list[str]:
    arms = [arm for arm in names(where(published.runs, task="mul", stage="arms"), "arm") if arm.startswith("on-")]
    told = []
    for arm in sorted(arms, key=lambda arm: int(arm.removeprefix("on-"))):
        step = int(arm.removeprefix("on-"))
        grok = numbers(where(published.runs, task="mul", arm=arm), "sustained_grok_step")
        after = sorted(int(value) - step for value in grok if value > step)
        before = int((grok <= step).sum())
        beside = f" ({before} grokked before)" if before else ""
        told.append(f"at {step:,}: {', '.join(f'{value:,}' for value in after)}{beside}")
    return [
        f"Steps from switching the clip on to the sustained grok, on {TITLES['mul']}, run by run: {'; '.join(told)}."
    ]


def _methods(published: Published) -> list[str]:
    rows = where(published.effects, claim=10, task="mul", quantity="speed-up in steps")
    slower = rows.loc[numbers(rows, "high") < 1].to_dict("records")
    sooner = int(np.count_nonzero(numbers(rows, "low") > 1))
    told = joined([f"{row['against']} {in_words(row)}" for row in slower]) if slower else "none"
    return [
        f"On {TITLES['mul']} Lion with projection and clip is sooner than {sooner} of {len(rows)} methods without a "
        f"clip, and later than {told}."
    ]


EARLIER = (
    EarlierClaim(
        1, "Does the headline need the clip, or does tuning the baseline do as much?", "no", None, None,
        _headline,
        "The verdict was of the first grok, and by the sustained grok it cannot be told; the speed-up over the "
        "published baseline was measured on multiplication alone. The best learning rate of AdamW, 3e-3, and the best "
        "decay of Lion, 1, are the largest that were tried, so either may have a better one.",
        "The baselines of the published tables, as far as they have run.",
    ),
    EarlierClaim(
        2, "Does the clip act through the final LayerNorm gain?", "partly", "none of it: later than without",
        NOT_TESTED, _tensors,
        "A negative share was called “partly”. The arm against it frees all gains, not the final one; LayerNorm’s "
        "biases are with the other biases, and stayed clipped.",
        "The sites above: the sphere on the final gain alone, and on all but it.", "sites",
    ),
    EarlierClaim(
        3, "Is it the logit scale?", "partly", "none of it: later than without", "cannot tell", _scale,
        "A negative share was called “partly”, and the arm that undoes the scale is harmful in itself.",
        "The two-by-two-by-two above, where the logits follow those of another run step by step.", "two-by-two-by-two",
    ),
    EarlierClaim(
        4, "Is it float32, in which a softmax of large logits collapses?", "no", "little of it", "nothing is lost",
        _precision, "Nothing but that it is of one task.", "The family precision above.", "precision",
    ),
    EarlierClaim(
        5, "Is it the angular learning rate?", "cannot tell", NOT_TESTED, NOT_TESTED, _angles,
        "Attention and MLP were held to one constant each; embeddings and gains, whose angles differ most between the "
        "runs, were not, and neither was the change of the angle over training.",
        "Relative steps above, held from the start or step by step, for every tensor.", "relative-step",
    ),
    EarlierClaim(
        6, "Is there a best norm, and is the delay exponential in it?", "partly", None, None, _dose,
        "The best bound was chosen and tested on the same three seeds: an indication. The published slope that stood "
        "beside ours counts from another step, in another setting.",
        "The bounds by task of the published tables, and the delay law.",
    ),
    EarlierClaim(
        7, "Is it the same kind of circuit, sooner?", "no", None, None, _circuit,
        "“Half fallen” is relative to each run’s own least loss, and the loss restricted to key irreps does not read "
        "clipped networks, so the two arms were not compared on one scale.",
        "The readings at the grok, by shares of the answer.",
    ),
    EarlierClaim(
        8, "Does gradient entropy explain it?", "no", NOT_TESTED, NOT_TESTED, _entropy,
        "Signs differ between tasks, which “no” left out; runs of eight arms were pooled, so it is of differences "
        "between arms as much as within them. Nothing set the entropy: it is a correlation.",
        "Not asked again.",
    ),
    EarlierClaim(
        9, "Is the clip needed in the first half of the way alone?", "partly", NOT_TESTED, NOT_TESTED, _window,
        "A clip that is switched on late can have no whole share: at 1,600 no more than 34%, and one run had grokked "
        "before. Steps after switching it on say what it does.",
        "Clips for one step, or for some, above.", "one-shot",
    ),
    EarlierClaim(
        10, "Is Lion with the clip faster than every other method?", "no", None, None, _methods,
        "Nothing; in that table “lion-clip” is projection and clip.",
        "The accelerators of the results page.",
    ),
)  # fmt: skip


def read_published(effects: pd.DataFrame, runs: pd.DataFrame) -> Published:
    """The tables of the earlier experiment, with whole steps."""
    return Published(effects.fillna({"statement": "", "against": ""}), runs.astype(dict.fromkeys(WHOLE, "Int64")))
