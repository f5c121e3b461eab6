"""Verdicts follow from intervals, and planted causes get the verdict that they were planted for."""

from __future__ import annotations

from math import inf, nan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grokscope.analysis import numbers, where
from grokscope.experiments.why_clipping.claims import headline, scale, tensors, window
from grokscope.experiments.why_clipping.evidence import in_words, written
from grokscope.experiments.why_clipping.scale import PUBLISHED
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.why_clipping.verdicts import of_cause, of_share, over_tasks
from tests.analysis.timing_tables import simulated


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.75, 1.4, "yes"),
        (0.74, 1.4, "partly"),
        (0.01, 0.5, "partly"),
        (-0.3, 0.25, "no"),
        (-inf, -0.2, "no"),
        (-0.1, 0.3, "cannot tell"),
        (-inf, inf, "cannot tell"),
        (nan, nan, "cannot tell"),
    ],
)
def test_the_interval_of_a_share_decides(low, high, verdict):
    assert of_share(low, high) == verdict


@pytest.mark.parametrize(
    ("with_it", "without_it", "verdict"),
    [
        ("yes", "yes", "yes"),
        ("no", "no", "no"),
        ("yes", "no", "partly"),
        ("partly", "cannot tell", "partly"),
        ("no", "cannot tell", "cannot tell"),
    ],
)
def test_a_cause_must_do_it_alone_and_be_missed_when_it_is_undone(with_it, without_it, verdict):
    assert of_cause(with_it, without_it) == verdict


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        (["no", "no", "cannot tell"], "no"),
        (["yes", "no"], "partly"),
        (["cannot tell"], "cannot tell"),
        ([], "cannot tell"),
    ],
)
def test_tasks_that_disagree_are_partly(verdicts, verdict):
    assert over_tasks(verdicts) == verdict


NOTHING = pd.DataFrame({"arm": [], "seed": [], "grok_step": []})


class Planted(Study):
    """Grok steps by task and arm, with some noise that the arms of a seed share and some of their own."""

    def __init__(self, steps: dict[str, dict[str, float]], budget: float = 6000) -> None:
        super().__init__(PUBLISHED, Path("nowhere"))
        self.steps, self.budget = steps, budget

    def timing(self, task, arms=None, stages=("arms",)) -> pd.DataFrame:
        source = np.random.default_rng(len(task))
        shared = 0.3 * source.normal(size=8)
        tables = {
            arm: simulated(arm, at * np.exp(shared + 0.03 * source.normal(size=8)), self.budget)
            for arm, at in self.steps.get(task, {}).items()
        }
        chosen = [tables[arm] for arm in (tables if arms is None else arms) if arm in tables]
        if not chosen:
            return NOTHING
        table = pd.concat(chosen, ignore_index=True)
        return table.assign(sustained_grok_step=table["grok_step"], sustained_observed=table["observed"])

    def grid(self, arm, settings) -> pd.DataFrame:
        """One setting, which is the best."""
        return simulated(arm, np.array([500.0, 600.0]), self.budget).assign(
            seed=[100, 101], **dict.fromkeys(settings, 1.0)
        )


LATTICE = {"lion": 2500, "lion-init": 900, "lion-clip": 1000, "lion-init-clip": 450}


@pytest.mark.parametrize(
    ("temperature", "untempered", "verdict"),
    [(1000, 900, "yes"), (2500, 450, "no"), (1500, 450, "partly"), (20_000, 450, "no")],
)
def test_the_logit_scale_is_found_where_it_was_planted(temperature, untempered, verdict):
    planted = LATTICE | {"temperature": temperature, "clip-untempered": untempered}
    claim = scale.claim(Planted({"mul": planted, "s5": planted}))
    assert claim.verdict == verdict
    assert set(claim.effects["task"]) == {"mul", "s5"}


def test_a_cause_on_one_task_and_not_on_another_is_partly_one():
    yes = LATTICE | {"temperature": 1000, "clip-untempered": 900}
    no = LATTICE | {"temperature": 2500, "clip-untempered": 450}
    assert scale.claim(Planted({"mul": yes, "div": no})).verdict == "partly"


def test_the_tensors_that_the_clip_was_planted_in_are_found():
    of_gains, of_matrices = ("scope-ln_final", "scope-gains"), ("scope-matrices", "scope-without-gains")
    gains = LATTICE | dict.fromkeys(of_gains, 1000) | dict.fromkeys(of_matrices, 2500)
    matrices = LATTICE | dict.fromkeys(of_gains, 2500) | dict.fromkeys(of_matrices, 1000)
    assert tensors.claim(Planted({"mul": gains})).verdict == "yes"
    assert tensors.claim(Planted({"mul": matrices})).verdict == "no"


def test_a_clip_that_works_early_is_told_from_one_that_works_throughout():
    early = LATTICE | {f"off-{k}": 450 if k >= 50 else 900 for k in (25, 50, 100, 200, 400)}
    late = LATTICE | {f"off-{k}": 900 if k <= 200 else 450 for k in (25, 50, 100, 200, 400)}
    assert window.claim(Planted({"mul": early})).verdict == "yes"
    assert window.claim(Planted({"mul": late})).verdict == "no"


@pytest.mark.parametrize(
    ("tuned", "verdict"),
    [(450, "no"), (3000, "yes"), (1200, "partly")],
)
def test_the_headline_is_the_clips_where_tuning_the_baseline_does_not_do_as_much(tuned, verdict):
    planted = LATTICE | {"adamw-published": 3000, "adamw": tuned}
    claim = headline.claim(Planted({"mul": planted, "sub": planted}))
    assert claim.verdict == verdict
    share = numbers(where(claim.effects, arm="adamw", quantity="share of the speed-up"), "value")
    assert share == pytest.approx(np.log(3000 / tuned) / np.log(3000 / 450), abs=0.05)


def test_a_published_baseline_that_never_groks_bounds_what_tuning_has_of_the_headline():
    claim = headline.claim(Planted({"mul": LATTICE | {"adamw-published": 60_000, "adamw": 600}}))
    (row,) = where(claim.effects, arm="adamw", quantity="share of the speed-up").to_dict("records")
    assert np.log(6000 / 600) / np.log(6000 / 450) == pytest.approx(0.889, abs=1e-3)
    assert row["low"] == pytest.approx(0.889, abs=0.05)
    assert row["high"] == pytest.approx(1, abs=0.02)
    assert claim.verdict == "no"


def test_what_projection_and_clip_give_in_lion_is_their_shapley_value():
    claim = headline.claim(Planted({"mul": LATTICE}))
    given = {
        row["arm"]: row["value"]
        for row in where(claim.effects, against="average over orders from lion").to_dict("records")
    }
    at = {arm: np.log(steps) for arm, steps in LATTICE.items()}
    clip = (at["lion"] - at["lion-clip"] + at["lion-init"] - at["lion-init-clip"]) / 2
    assert np.log(given["clip"]) == pytest.approx(clip, abs=0.05)
    assert np.log(given["init"]) == pytest.approx(at["lion"] - at["lion-init-clip"] - clip, abs=0.05)


@pytest.mark.parametrize("make", [scale.claim, tensors.claim, window.claim])
def test_without_runs_nothing_can_be_told(make):
    claim = make(Planted({}))
    assert claim.verdict == "cannot tell"
    assert claim.plates == ()
    assert len(claim.rows()) == 1


def test_every_number_of_a_sentence_is_that_of_an_effect():
    claim = scale.claim(Planted({"mul": LATTICE | {"temperature": 1500, "clip-untempered": 500}}))
    (first,) = claim.effects.loc[claim.effects["arm"] == "temperature"].to_dict("records")
    assert in_words(first) in claim.answer[0]
    assert list(claim.rows()["verdict"]) == [claim.verdict] * len(claim.effects)
    table = claim.effect_table()
    assert [row[4] for row in table.rows] == [written(row)[0] for row in claim.effects.to_dict("records")]


@pytest.mark.parametrize(
    ("kind", "numbers", "statement", "told"),
    [
        ("speed-up", (5.234, 4, inf), "at least: x", ("≥ 5.23×", "4× to ∞")),
        ("share", (-0.214, -inf, 0.5), "", ("−21%", "−∞ to 50%")),
        ("share", (nan, -inf, 0.5), "at most 50%; n", ("at most 50%", "−∞ to 50%")),
        ("plain", (1234.4, nan, nan), "", ("1,234", "–")),
    ],
)
def test_numbers_are_written_with_their_bounds(kind, numbers, statement, told):
    value, low, high = numbers
    assert written({"kind": kind, "value": value, "low": low, "high": high, "statement": statement}) == told
