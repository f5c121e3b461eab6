"""Methods side by side: what is drawn is what the table holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from grokscope.figures import methods

ARMS = ("adam", "muon", "with $ and a_long_name")


def _runs() -> pd.DataFrame:
    rows = []
    for i, task in enumerate(("mul", "sub")):
        for j, arm in enumerate(ARMS):
            for clip in (False, True):
                for seed in range(3):
                    late = arm == "muon" and not clip and seed < 2
                    step = None if late else 100 * (1 + i + 2 * j + seed) // (2 if clip else 1)
                    rows.append({"task": task, "arm": arm, "clip": clip, "grok_step": step, "budget": 6000})
    return pd.DataFrame(rows).astype({"grok_step": "Int64"})


PUBLISHED = pd.DataFrame(
    [
        {"task": "mul", "arm": "adam", "clip": False, "published_step": 1280.0},
        {"task": "mul", "arm": "muon", "clip": True, "published_step": np.nan},
    ]
)


def _points(ax, marker):
    of_marker = [line for line in ax.lines if line.get_marker() == marker]
    return [xy for line in of_marker for xy in zip(line.get_xdata(), line.get_ydata(), strict=True)]


@pytest.mark.parametrize("published", [None, PUBLISHED])
def test_every_run_is_a_dot_or_a_triangle_at_its_budget(published):
    runs = _runs()
    figure = methods(runs, published)
    assert len(figure.axes) == 2
    for ax, task in zip(figure.axes, ("mul", "sub"), strict=True):
        part = runs[runs["task"] == task]
        dots, triangles = _points(ax, "o"), _points(ax, "^")
        assert sorted(x for x, _ in dots) == sorted(part["grok_step"].dropna().tolist())
        assert [x for x, _ in triangles] == [6000, 6000]
        # Row of an arm: its place, clipped below the middle (the axis points down), not clipped above.
        for arm, place in zip(ARMS, range(3), strict=True):
            for clip, side in ((False, -1), (True, 1)):
                own = part[(part["arm"] == arm) & (part["clip"] == clip)]["grok_step"].dropna().tolist()
                drawn = [x for x, y in dots if abs(y - place) < 0.5 and np.sign(y - place) == side]
                assert sorted(drawn) == sorted(own)
    crosses = _points(figure.axes[0], "x")
    assert [x for x, _ in crosses] == ([] if published is None else [1280.0])


def test_a_median_that_is_not_reached_has_no_bar():
    ax = methods(_runs()).axes[0]
    bars = [segment for lines in ax.collections for segment in lines.get_segments()]
    # Three arms with and without the clip; two of muon's three runs without it never grok.
    assert len(bars) == 5
    steps = {round(float(segment[0][0])) for segment in bars}
    assert 200 in steps  # adam without the clip: 100, 200, 300


def test_names_are_not_read_as_mathematics():
    figure = methods(_runs())
    assert not any(label.get_parse_math() for label in figure.axes[0].get_yticklabels())
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(ARMS)
