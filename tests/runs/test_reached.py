"""Milestones against a definition written out with pandas."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.runs import Milestones, milestones

ACCURACIES = st.sampled_from([0.0, 0.5, 0.94, 0.95, 0.96, 0.98, 0.99, 1.0])


@st.composite
def tables(draw):
    # Mostly above the thresholds, so that long stays happen.
    accuracy = st.one_of(ACCURACIES, st.just(1.0), st.just(0.97))
    rows = draw(st.lists(st.tuples(st.integers(1, 50), accuracy, accuracy), max_size=30))
    table = pd.DataFrame(rows, columns=["step", "train_accuracy", "val_accuracy"])
    return table.assign(step=table.step.cumsum())


def first(steps: pd.Series) -> int | None:
    return None if steps.empty else int(steps.iloc[0])


@given(tables())
def test_milestones_agree_with_the_definition_in_pandas(table):
    grokked = (table.val_accuracy >= 0.95).astype(float)
    # This evaluation and the next five: a window of six that looks ahead.
    stays = grokked[::-1].rolling(6).min()[::-1] == 1
    memorisation = first(table.step[table.train_accuracy >= 0.99])
    grok = first(table.step[table.val_accuracy >= 0.95])
    sustained = first(table.step[stays])
    found = milestones(table)
    assert found.memorisation_step == memorisation
    assert found.grok_step == grok
    assert found.sustained_grok_step == sustained
    assert found.delay == (None if grok is None or memorisation is None else grok - memorisation)
    if sustained is None:
        assert found.sustained_at is found.evaluations_since_sustained is None
    else:
        index = table.index[table.step == sustained][0]
        assert found.sustained_at == table.step[index + 5]
        assert found.evaluations_since_sustained == len(table) - 1 - (index + 5)


@given(tables())
def test_what_is_known_online_is_never_taken_back(table):
    online, seen = Milestones(), []
    for row in table.to_dict("records"):
        online.update(row["step"], row["train_accuracy"], row["val_accuracy"])
        seen.append(row)
        assert online == milestones(seen)
        known = milestones(table)
        for name in ("memorisation_step", "grok_step", "sustained_grok_step", "sustained_at"):
            assert getattr(online, name) in (None, getattr(known, name))


def test_a_run_that_ends_before_five_more_evaluations_has_no_sustained_grok():
    rows = [{"step": s, "train_accuracy": 1.0, "val_accuracy": 1.0} for s in range(5)]
    assert milestones(rows).sustained_grok_step is None
    assert milestones([*rows, {"step": 5, "train_accuracy": 1.0, "val_accuracy": 1.0}]).sustained_grok_step == 0


def test_rows_that_are_no_evaluations_are_passed_over_as_dictionaries_and_as_a_table():
    rows = [{"step": s, "train_accuracy": 1.0, "val_accuracy": 1.0} for s in range(0, 12, 2)]
    rows += [{"step": s, "norm": 2.0} for s in range(1, 12, 2)]
    rows.sort(key=lambda row: row["step"])
    assert milestones(rows) == milestones(pd.DataFrame(rows))
    assert milestones(rows).sustained_grok_step == 0
    assert milestones(rows).sustained_at == 10


def test_an_accuracy_that_is_nan_reaches_no_milestone():
    found = Milestones()
    found.update(0, math.nan, math.nan)
    assert found.memorisation_step is found.grok_step is None


def test_evaluations_out_of_order_are_refused():
    found = Milestones()
    found.update(10, 0.0, 0.0)
    with pytest.raises(ValueError, match="step 10 comes after one at step 10"):
        found.update(10, 0.0, 0.0)
