"""Figures of the experiment show what their tables hold: every share, pair and run, and what is not known."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from grokscope.analysis.timing import medians
from grokscope.figures import dose_response, grok_against, paired, save, shares
from grokscope.figures.timing.shares import EDGES
from tests.analysis.timing_tables import arm


def drawn(figure: Figure, label: str, panel: int = 0) -> list[tuple[float, float]]:
    """Points with a label, NaN left out."""
    points = []
    for line in figure.axes[panel].lines:
        if line.get_label() == label:
            points += list(zip(map(float, line.get_xdata()), map(float, line.get_ydata()), strict=True))
    return [point for point in points if not np.isnan(point).any()]


def legend_of(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


SHARES = pd.DataFrame(
    [
        ("mul", "temperature", "lion to clip", 0.4, 0.1, 0.9),
        ("mul", "late", "lion to clip", nan, -inf, 0.3),
        ("s5", "fast", "lion to clip", 2.5, 1.1, 3.0),
        ("s5", "alone", "lion to clip", 0.2, nan, nan),
    ],
    columns=["task", "arm", "against", "value", "low", "high"],
)


def test_shares_stand_in_rows_under_their_task_with_their_intervals():
    figure = shares(SHARES)
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["mul", "temperature", "late", "s5", "fast", "alone"]
    assert drawn(figure, "_share") == [(0.4, 1), (0.2, 5)]  # one is off the axis, one has bounds alone
    assert drawn(figure, "_interval") == [(0.1, 1), (0.9, 1), (EDGES[0], 2), (0.3, 2), (1.1, 4), (EDGES[1], 4)]
    assert drawn(figure, "_goes on") == [(EDGES[0], 2), (EDGES[1], 4)]
    assert [text.get_text() for text in ax.texts] == ["40%", "bounds alone", "250%", "20%"]
    assert ax.get_xlabel() == "share of the log speed-up from lion to clip"


def test_pairs_join_the_two_arms_of_a_seed_and_leave_out_what_is_not_known():
    table = pd.DataFrame(
        [("mul", "clip", 0, 3.0), ("mul", "plain", 0, 5.0), ("mul", "clip", 1, 4.0), ("s5", "plain", 0, 7.0)],
        columns=["task", "arm", "seed", "keys"],
    )
    figure = paired(table, {"keys": "key irreps"})
    points = drawn(figure, "_run")
    assert [y for _, y in points] == [3, 5, 4, 7]
    assert points[0][0] < points[1][0]
    assert drawn(figure, "_pair")[:2] == points[:2]
    assert legend_of(figure) == ["clip", "plain"]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["mul", "s5"]


def test_runs_stand_at_their_grok_or_open_at_their_budget():
    table = pd.DataFrame(
        {"task": ["mul", "mul", "s5"], "grok_step": [500, nan, 900], "budget": 6000, "l1": [1.0, 2.0, 3.0]}
    )
    figure = grok_against(table, {"l1": "L1 norm"})
    assert drawn(figure, "_mul") == [(1, 500), (2, 6000)]
    assert drawn(figure, "_s5") == [(3, 900)]
    assert legend_of(figure) == ["mul", "s5", "not by then"]
    assert figure.axes[0].get_xlabel() == "L1 norm"


@pytest.mark.parametrize("even", [False, True])
def test_doses_stand_where_they_are_or_at_equal_distances(even):
    table = pd.concat([arm(f"on-{dose}", [100.0 + dose] * 3).assign(line="on", step=dose) for dose in (0, 100, 1600)])
    summary = medians(table).merge(table.drop_duplicates("arm")[["arm", "line", "step"]], on="arm")
    figure = dose_response(table, summary, dose="step", line="line", even=even)
    places = [x for x, _ in drawn(figure, "_median full")]
    assert places == pytest.approx([0, 1, 2] if even else [0, 100, 1600])
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["0", "100", "1600"]


def test_figures_of_nothing_and_with_names_that_look_like_formulas_can_be_saved(tmp_path):
    odd = SHARES.assign(arm="$x_", task="$t^")
    save(shares(odd), odd, tmp_path, "odd")
    save(shares(SHARES.iloc[:0]), SHARES.iloc[:0], tmp_path, "nothing")
    assert {path.name for path in tmp_path.glob("*.png")} == {"odd.png", "nothing.png"}
