"""What the clip might do, what each of these predicts for which arm, and what was seen.

Two words answer two questions and are not merged. *Alone*: a run without a clip that has this one thing is as soon as
the clip. *Without*: a run with the clip, or with all else that it does, is later once this one thing is taken away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from grokscope.analysis import names, where
from grokscope.experiments.why_clipping.declared import NORMS_FREE
from grokscope.experiments.why_clipping.families.one_shot import FROM, LENGTHS, STEPS
from grokscope.experiments.why_clipping.families.sites import WORDS
from grokscope.experiments.why_clipping.wording import FEW, listed, ratio_in_words

Question = Literal["alone", "without"]
QUESTIONS: tuple[Question, ...] = ("alone", "without")
PREDICTED: dict[Question, str] = {"alone": "as soon as the clip", "without": "later than the clip"}


@dataclass(frozen=True)
class Hypothesis:
    """One thing that the clip does, and the arms that have it alone or lack it alone."""

    name: str
    says: str
    """Ends the sentence: clipping speeds up grokking because ..."""
    alone: Mapping[str, str] = field(default_factory=dict)
    """Arms without a clip that have this, and nothing else of what the clip does beyond what follows from it; each with
    what it is."""
    without: Mapping[str, str] = field(default_factory=dict)
    """Arms that have all that the clip does, but for this."""

    def arms(self, question: Question) -> Mapping[str, str]:
        """The arms that answer a question."""
        return self.alone if question == "alone" else self.without


def _site(name: str, says: str, site: str, more: Mapping[str, str] | None = None) -> Hypothesis:
    alone = {f"only-{site}": f"sphere on {WORDS[site]} alone", **(more or {})}
    return Hypothesis(name, says, alone, {f"but-{site}": f"sphere on all but {WORDS[site]}"})


HYPOTHESES = (
    Hypothesis(
        "norms",
        "it keeps the norms of the network’s function where the projection put them",
        {
            "sphere-1": "every tensor on a sphere",
            "sphere-rows": "every row on a sphere",
            "sphere-rows-zeros": "the same, what starts at zero held there",
            "growing-sphere-tensors": "weight normalisation by tensor, fixed gain",
            "growing-sphere-step": "the same, relative step held",
            "growing-sphere-rows": "weight normalisation by row, fixed gain",
            "growing-sphere-rows-step": "the same, relative step held",
        },
        {
            "norms-free-step-clip-scale-clip": "free norms, step and scale as clipped",
            NORMS_FREE: "free norms, step of the start, scale as clipped",
        },
    ),
    Hypothesis(
        "forgetting",
        "it shrinks weights, and what was learnt first is forgotten",
        {
            "replay-tensor": "the clip’s shrinking, by tensor and step (so norms follow too)",
            "replay-all": "the same, one factor a step for all",
            "replay-tensor-mean": "the same, one factor a tensor for all steps",
            "replay-all-mean": "the same, one factor for all",
        },
        {
            "growing-sphere-tensors": "weight normalisation by tensor, fixed gain",
            "growing-sphere-rows": "weight normalisation by row, fixed gain",
            "growing-sphere-step": "by tensor, relative step held",
            "growing-sphere-rows-step": "by row, relative step held",
        },
    ),
    Hypothesis(
        "decay",
        "it is a weight decay",
        {"decay-tuned": "decay, its rate tuned", "decay-as-clip": "decay at the clip’s rate of each group"},
    ),
    Hypothesis(
        "relative step",
        "it keeps steps large relative to the weights",
        {
            "relative-step": "relative step of the start",
            "relative-step-everything": "the same, embeddings too",
            "norms-free-step-clip-scale-free": "relative step of a clipped run",
        },
        {"norms-clip-step-free-scale-clip": "clip, relative step of a free run"},
    ),
    Hypothesis(
        "scale of the logits",
        "it keeps the logits small",
        {"norms-free-step-free-scale-clip": "scale of a clipped run"},
        {"norms-clip-step-clip-scale-free": "clip, scale of a free run"},
    ),
    Hypothesis(
        "step and scale",
        "it keeps steps large and the logits small, both together",
        {
            NORMS_FREE: "relative step of the start, scale of a clipped run",
            "norms-free-step-clip-scale-clip": "both of a clipped run",
        },
        {"norms-clip-step-free-scale-free": "clip, both of a free run"},
    ),
    _site("attention scores", "it keeps attention scores small", "scores"),
    _site("pre-activations", "it keeps the inputs of the non-linearity where its curve bends", "pre-activations"),
    _site("what is written", "it keeps what blocks write to the stream small", "written"),
    _site("stream", "it keeps the stream small", "stream"),
    _site("final gain", "it keeps the final gain small", "final-gain", {"clip-final-gain": "clip of the final gain"}),
    Hypothesis(
        "one push",
        "it moves the network once, and need not go on",
        {
            **{f"clip-at-{step}": f"clip after step {step} alone" for step in STEPS},
            **{f"clip-{FROM}-for-{length}": f"clip for {length} steps from {FROM}" for length in LENGTHS},
            **{f"shrink-at-{step}": f"decoder scaled down once after step {step}" for step in STEPS},
        },
    ),
    Hypothesis(
        "precision",
        "softmax does not collapse in float32",
        {"float64-free": "float64, no clip", "stablemax-free": "StableMax, no clip"},
        {"float64-clip": "float64, clip", "stablemax-clip": "StableMax, clip"},
    ),
)
"""In the order in which the page has them. Of precision "without" means where softmax cannot collapse: a clip that is
as soon there as in float32 does not work by keeping it from collapsing."""

COLUMNS = ("hypothesis", "says", "question", "arm", "words", "predicted", "task", "seen", "ratio", "low", "high",
           "seeds", "verdict", "word")  # fmt: skip


def hypotheses_table(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each hypothesis, question, arm and task that has runs, with what was predicted and what was seen.

    Arguments:
        table: of `summary`.

    Returns `COLUMNS`: ratio, low, high, seeds and verdict are those of the arm against the clip; word is, of `alone`,
    `all of it` (as soon as the clip), `not all of it` or `cannot tell`, and of `without`, `nothing is lost`, `some is
    lost` or `cannot tell`. For `float64-clip` and the like "without" reads: where softmax cannot collapse.
    """
    lines = []
    for one in HYPOTHESES:
        for question in QUESTIONS:
            for arm, words in one.arms(question).items():
                for row in where(table, arm=arm).to_dict("records"):
                    lines.append(
                        {
                            "hypothesis": one.name,
                            "says": one.says,
                            "question": question,
                            "arm": arm,
                            "words": words,
                            "predicted": PREDICTED[question],
                            "task": row["task"],
                            "seen": ratio_in_words(row),
                            "ratio": row["ratio"],
                            "low": row["low"],
                            "high": row["high"],
                            "seeds": row["shared"],
                            "verdict": row["verdict"],
                            "word": VERDICTS[question][str(row["verdict"])],
                        }
                    )
    return pd.DataFrame(lines, columns=list(COLUMNS)).astype({"seeds": "Int64"})


VERDICTS: dict[Question, dict[str, str]] = {
    "alone": {"as soon": "all of it", "later": "not all of it", "cannot tell": "cannot tell"},
    "without": {"as soon": "nothing is lost", "later": "some is lost", "cannot tell": "cannot tell"},
}


def seen(found: pd.DataFrame, hypothesis: str, question: Question, arm: str | None = None) -> str:
    """What was seen in words, over tasks: `all of it on x * y; cannot tell on x + y`, or `not tested`.

    Of several arms of a task the best counts: if one of them is as soon as the clip, that is what stands there. What
    fewer than five seeds say is `indicated`.
    """
    rows = where(found, hypothesis=hypothesis, question=question)
    rows = rows if arm is None else where(rows, arm=arm)
    if not len(rows):
        return "not tested"
    best = {task: _best(where(rows, task=task)) for task in names(rows, "task")}
    parts = []
    for verdict, word in VERDICTS[question].items():
        for few in (False, True):
            tasks = [task for task, of_task in best.items() if of_task == (verdict, few)]
            if tasks:
                parts.append(f"{word}{' (indicated)' if few else ''} on {listed(tasks)}")
    return "; ".join(parts)


def _best(rows: pd.DataFrame) -> tuple[str, bool]:
    """The best verdict on one task, and whether fewer than five seeds say so."""
    verdicts = set(names(rows, "verdict"))
    verdict = "as soon" if "as soon" in verdicts else "later" if verdicts == {"later"} else "cannot tell"
    return verdict, verdict != "cannot tell" and bool(where(rows, verdict=verdict)["seeds"].max() < FEW)
