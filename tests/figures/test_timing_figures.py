"""Figures of timings show what their tables hold: curves, bounds, every run and setting; censored ones are marked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from grokscope.analysis.timing import best_settings, grid_medians, medians, speed_up, survival
from grokscope.figures import dose_response, forest, grid_map, ladder, save, seed_strips, survival_curves
from grokscope.figures.style import CLIPPED, INK
from tests.analysis.timing_tables import FREIREICH, arm

ARMS = pd.concat(
    [
        arm("adamw", [7000], [8000] * 4),
        arm("lion", [900, 1000, 1100, 1200, 1300]),
        arm("clip", [90, 100, 110, 120, 130]),
        arm("never", [], [8000] * 5),
    ],
    ignore_index=True,
)


def lines(ax, label: str) -> list:
    return [line for line in ax.lines if line.get_label() == label]


def points(ax, label: str, marker: str) -> list[tuple[float, float]]:
    """Where a marker stands."""
    return [
        (float(x), float(y))
        for line in lines(ax, label)
        if line.get_marker() == marker
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    ]


def legend_of(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_survival_curves_are_steps_through_every_row_of_their_table():
    table = survival(FREIREICH)
    figure = survival_curves(table)
    (ax,) = figure.axes
    for name in ("6-MP", "placebo"):
        (line,) = lines(ax, name)
        part = table[table["arm"] == name]
        assert line.get_drawstyle() == "steps-post"
        assert list(line.get_ydata()) == part["survival"].tolist()
        assert list(line.get_xdata())[1:] == part["time"].tolist()[1:]
    censored = table[table["censored"] > 0]
    assert points(ax, "_6-MP censored", "|") == list(zip(censored["time"], censored["survival"], strict=True))
    assert lines(ax, "_placebo censored") == []
    assert (ax.get_xscale(), ax.get_ylim()) == ("log", (0, 1.02))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("steps to the grok", "share of runs not yet grokked")
    assert legend_of(figure) == ["6-MP", "placebo", "watched until here"]


def test_survival_bands_are_those_of_the_table():
    table = survival(arm("a", [10, 20, 30, 40]))
    (ax,) = survival_curves(table, {"a": "#123456"}).axes
    (band,) = ax.collections
    drawn = band.get_paths()[0].vertices
    known = table.dropna(subset="low")
    assert set(known["low"]) | set(known["high"]) <= set(drawn[:, 1])
    assert to_hex(lines(ax, "a")[0].get_color()) == "#123456"


def test_survival_of_delays_at_or_before_0_has_a_linear_axis():
    table = arm("a", [100, 200], memorisation_step=[100, 250], delay=[0, -50])
    (ax,) = survival_curves(survival(table, "delay")).axes
    assert ax.get_xscale() == "linear"
    assert ax.get_xlabel() == "steps from memorisation to the grok"


def test_a_figure_of_two_units_or_of_nothing_is_refused():
    both = pd.concat([survival(ARMS), survival(ARMS).assign(unit="seconds")])
    with pytest.raises(ValueError, match=r"the table has unit = steps, seconds: draw one at a time"):
        survival_curves(both)


def test_a_forest_shows_ratios_bounds_and_what_has_none():
    table = pd.concat([speed_up(ARMS, "adamw"), speed_up(ARMS, "lion", ["clip", "never"])], ignore_index=True)
    figure = forest(table)
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "lion over adamw", "clip over adamw", "never over adamw", "clip over lion", "never over lion",
    ]  # fmt: skip
    ratios = table["speed_up"].tolist()
    assert points(ax, "_ratio", ">") == [(ratios[0], 0), (ratios[1], 1)]
    assert points(ax, "_ratio", "o") == [(ratios[3], 3)]
    assert points(ax, "_ratio", "<") == [(ratios[4], 4)]
    left, right = ax.get_xlim()
    assert points(ax, "_no end", ">") == [(right, 0), (right, 1)]
    assert points(ax, "_no end", "<") == [(left, 4)]
    assert [text.get_text() for text in ax.texts][:3] == [
        f"≥ {ratios[0]:.2f}×  ({table['low'][0]:.2f} to ∞)",
        f"≥ {ratios[1]:.1f}×  ({table['low'][1]:.1f} to ∞)",
        "no ratio: neither median is reached",
    ]
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "speed-up, steps to the grok"


def test_a_forest_is_blue_where_the_whole_interval_is_above_1():
    table = pd.concat([arm("base", [100, 200, 300, 400]), arm("twin", [400, 300, 200, 100]), arm("fast", [1, 2, 3, 4])])
    (ax,) = forest(speed_up(table, "base")).axes
    assert [to_hex(line.get_color()) for line in lines(ax, "_ratio")] == [to_hex(INK), to_hex(CLIPPED[0])]
    assert ax.get_xlabel() == "speed-up over base, steps to the grok"


def test_seed_strips_show_every_run_at_the_height_of_its_seed():
    table = medians(ARMS, arms=["clip", "adamw", "never"])
    figure = seed_strips(ARMS, table)
    (ax,) = figure.axes
    clip, adamw = points(ax, "_clip", "o"), points(ax, "_adamw", "o") + points(ax, "_adamw", "^")
    assert [x for x, _ in clip] == [90, 100, 110, 120, 130]
    assert [x for x, _ in adamw] == [7000, *[8000] * 4]
    assert [y - 1 for _, y in adamw] == pytest.approx([y for _, y in clip])
    assert len(set(np.round([y for _, y in clip], 6))) == 5
    assert len(points(ax, "_never", "^")) == 5
    assert [label.get_text() for label in ax.get_yticklabels()] == ["clip", "adamw", "never"]
    assert legend_of(figure) == ["a run", "not by then", "median", "its interval"]
    heights = {tuple(path.vertices[:, 0]) for c in ax.collections for path in c.get_paths()}
    assert (110, 110) in heights  # the median
    assert (90, 130) in heights  # its interval


def doses() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    times = {("Lion", 1.0): [300, 400, 500], ("Lion", 2.0): [50, 60, 70], ("Adam", 1.0): [500, 600, 700]}
    parts = [arm(f"{o}-{x}", t, optimizer=o, max_norm=x) for (o, x), t in times.items()]
    table = pd.concat([*parts, arm("Adam-2.0", [900], [1000] * 2, optimizer="Adam", max_norm=2.0)])
    settings = table.drop_duplicates("arm")[["arm", "optimizer", "max_norm"]]
    published = pd.DataFrame(
        [("Lion", 1.0, 410), ("Lion", 2.0, 55), ("Adam", 1.0, 650), ("Adam", 2.0, np.nan)],
        columns=["optimizer", "max_norm", "published_median"],
    )
    return table, medians(table).merge(settings, on="arm"), published


def test_dose_response_shows_every_run_the_medians_and_the_published_ones():
    table, summary, published = doses()
    figure = dose_response(table, summary, published)
    (ax,) = figure.axes
    assert sorted(y for _, y in points(ax, "_Lion", "o")) == [50, 60, 70, 300, 400, 500]
    assert sorted(y for _, y in points(ax, "_Adam", "o")) == [500, 600, 700, 900]
    assert [y for _, y in points(ax, "_Adam", "^")] == [1000, 1000]
    assert [y for _, y in points(ax, "_median full", "D")] == [400, 60, 600]
    assert [y for _, y in points(ax, "_median none", "D")] == [1000]
    assert [y for _, y in points(ax, "_published", "x")] == [410, 55, 650]
    assert len([line for line in lines(ax, "_never") if len(line.get_xdata())]) == 1
    for label, marker in (("_Lion", "o"), ("_Adam", "^"), ("_published", "x")):
        assert all(min(abs(x - dose) for dose in (1, 2)) < 0.3 for x, _ in points(ax, label, marker))
    assert [line.is_dashed() for line in lines(ax, "_medians")] == [False, True]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "2"]
    assert (ax.get_yscale(), ax.get_ylabel(), ax.get_xlabel()) == ("log", "steps to the grok", "max norm")
    assert legend_of(figure) == [
        "Lion", "Adam", "a run", "not by then", "median not reached", "published median", "published: never",
    ]  # fmt: skip


def test_dose_response_without_published_medians_or_censored_runs_says_nothing_of_them():
    table, summary, _ = doses()
    keep = table["optimizer"] == "Lion"
    figure = dose_response(table[keep], summary[summary["optimizer"] == "Lion"])
    assert legend_of(figure) == ["Lion", "a run"]


def test_a_grid_map_has_a_cell_for_every_setting_and_frames_the_chosen_one():
    parts = [
        arm(name, *([], [5000] * 3) if lr == 1e-4 else ([base / (1 + decay)] * 3,), lr=lr, decay=decay)
        for name, base in (("adamw", 4000), ("lion", 500))
        for lr in (1e-4, 1e-3)
        for decay in (0.0, 1.0, np.nan)
        if not np.isnan(decay) or (lr == 1e-4)
    ]
    table = pd.concat(parts, ignore_index=True)
    grid, best = grid_medians(table, ["lr", "decay"]), best_settings(table, ["lr", "decay"], [0, 1, 2])
    figure = grid_map(grid, "decay", "lr", best)
    adamw, lion, bar = figure.axes
    assert [ax.get_title(loc="left") for ax in (adamw, lion)] == ["adamw", "lion"]
    assert [tick.get_text() for tick in adamw.get_yticklabels()] == ["0", "1", "none"]
    assert [tick.get_text() for tick in adamw.get_xticklabels()] == ["0.0001", "0.001"]
    texts = {text.get_position(): text.get_text() for text in adamw.texts}
    assert texts == {(0, 0): "> 5,000", (0, 1): "> 5,000", (0, 2): "> 5,000", (1, 0): "4,000", (1, 1): "2,000"}
    cells = {patch.get_xy(): patch for patch in adamw.patches if patch.get_label() == "_cell"}
    assert cells[(-0.5, -0.5)].get_hatch()
    assert not cells[(0.5, 0.5)].get_hatch()
    frames = [patch.get_xy() for patch in lion.patches if patch.get_label() == "chosen"]
    assert frames == [(0.5, 0.5)]
    assert bar.get_ylabel() == "median steps to the grok"


def test_edge_cases_can_be_drawn_and_saved(tmp_path):
    lone, never = arm("a", [100]), arm("a", [], [5000] * 3)
    for table in (lone, never):
        for figure in (survival_curves(survival(table)), seed_strips(table, medians(table))):
            figure.draw_without_rendering()
        cells = grid_medians(table.assign(lr=1.0, decay=0.0), ["lr", "decay"])
        grid_map(cells, "decay", "lr").draw_without_rendering()
        told = table.assign(optimizer="x", max_norm=1.0)
        dose_response(told, medians(told).assign(optimizer="x", max_norm=1.0)).draw_without_rendering()
    one = speed_up(pd.concat([arm("b", [900]), lone]), "b")
    assert sorted(save(forest(one), one, tmp_path, "speed-up")) == ["csv", "pdf", "png"]


def test_names_are_not_read_as_formulas():
    table = pd.concat([arm("$lr_1", [100, 200]), arm("$x^", [10, 20])])
    seed_strips(table, medians(table)).draw_without_rendering()
    forest(speed_up(table, "$lr_1")).draw_without_rendering()
    survival_curves(survival(table)).draw_without_rendering()


def test_a_ladder_shows_ratios_with_their_intervals_and_colours_them_by_their_verdicts():
    rows = [
        {"arm": "same", "ratio": 1.0, "low": 0.93, "high": 1.08, "verdict": "as soon"},
        {"arm": "late", "ratio": 2.0, "low": 1.6, "high": 2.5, "verdict": "later"},
        {"arm": "never", "ratio": 6.0, "low": 5.0, "high": np.inf, "is_lower_bound": True, "verdict": "later"},
        {"arm": "once", "ratio": 1.3, "low": np.nan, "high": np.nan, "verdict": "cannot tell"},
        {"arm": "one", "ratio": 3.0, "low": np.nan, "high": np.nan, "is_lower_bound": True, "verdict": "cannot tell"},
        {"arm": "sooner", "ratio": 0.5, "low": 0.0, "high": 0.9, "is_upper_bound": True, "verdict": "as soon"},
    ]
    rows = [{"is_lower_bound": False, "is_upper_bound": False, **row} for row in rows]
    figure = ladder(pd.DataFrame(rows).assign(margin=1.15, seeds=5), {"same": "the same $5"})
    (ax,) = figure.axes
    left, right = ax.get_xlim()
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "the same $5", "late", "never", "once", "one", "sooner"
    ]  # fmt: skip
    assert points(ax, "_ratio", "o") == [
        (1.0, 0.0), (2.0, 1.0), (6.0, 2.0), (1.3, 3.0), (3.0, 4.0), (0.5, 5.0)
    ]  # fmt: skip
    blue, red, grey = CLIPPED[0], "#D55E00", "#7a7a7a"
    assert [line.get_markeredgecolor() for line in lines(ax, "_ratio")] == [blue, red, red, grey, grey, blue]
    intervals = [line.get_xdata().tolist() for line in map(_as_array, lines(ax, "_interval"))]
    assert intervals == [[0.93, 1.08], [1.6, 2.5], [5.0, right], [left, 0.9]]  # one seed has none
    assert points(ax, "_no end", ">") == [(right, 2.0), (right, 4.0)]
    assert points(ax, "_no end", "<") == [(left, 5.0)]
    hollow = [line.get_markerfacecolor() == "white" for line in lines(ax, "_ratio")]
    assert hollow == [False, False, True, False, True, True]
    texts = [f"{x}×, n = 5" for x in ("1.00", "2.00", "≥ 6.00", "1.30", "≥ 3.00", "≤ 0.50")]
    assert [text.get_text() for text in ax.texts] == texts
    assert legend_of(figure) == ["as soon", "later", "cannot tell", "up to 1.15 times"]


def test_a_ladder_names_the_event_and_says_why_an_arm_has_no_ratio():
    rows = [
        {"arm": "grokked", "event": "sustained_grok", "ratio": 1.5, "verdict": "cannot tell", "statement": ""},
        {"arm": "learnt", "event": "memorisation", "ratio": 0.7, "verdict": "cannot tell", "statement": ""},
        {"arm": "alone", "event": "sustained_grok", "ratio": np.nan, "verdict": "cannot tell", "statement": "no clip"},
    ]
    table = pd.DataFrame(rows).assign(
        margin=1.15, seeds=1, low=np.nan, high=np.nan, is_lower_bound=[False, False, None], is_upper_bound=False
    )
    (ax,) = ladder(table).axes
    assert ax.get_xlabel() == "steps to the sustained grok, relative to the clip"
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["grokked", "learnt (to memorisation)", "alone"]
    assert points(ax, "_ratio", "o") == [(1.5, 0.0), (0.7, 1.0)]
    assert [text.get_text() for text in ax.texts] == ["1.50×, n = 1", "0.70×, n = 1", "no clip"]
    (ax,) = ladder(table.iloc[[1]]).axes
    assert ax.get_xlabel() == "steps to memorisation, relative to the clip"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["learnt"]


def _as_array(line):
    line.set_xdata(np.asarray(line.get_xdata()))
    return line


def test_a_ladder_of_several_panels_has_the_same_arms_in_each_on_one_axis():
    rows = [
        {"panel": "x · y", "arm": "sphere", "ratio": 1.0, "low": 0.9, "high": 1.1, "verdict": "as soon"},
        {"panel": "x · y", "arm": "free", "ratio": 4.0, "low": 3.0, "high": 5.0, "verdict": "later"},
        {"panel": "S5", "arm": "free", "ratio": 2.0, "low": 1.5, "high": 2.5, "verdict": "later"},
        {"panel": "mixed", "arm": "free", "ratio": 1.2, "low": 0.5, "high": 2.5, "verdict": "cannot tell"},
    ]
    figure = ladder(pd.DataFrame(rows).assign(margin=1.15, seeds=3, is_lower_bound=False, is_upper_bound=False))
    shown = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title(loc="left") for ax in shown] == ["x · y", "S5", "mixed"]
    assert len({ax.get_xlim() for ax in shown}) == len({ax.get_ylim() for ax in shown}) == 1
    assert points(shown[0], "_ratio", "o") == [(1.0, 0.0), (4.0, 1.0)]
    assert points(shown[1], "_ratio", "o") == [(2.0, 1.0)]
    # The first of each row names the arms; the lowest of each column the axis.
    assert [[label.get_text() for label in ax.get_yticklabels()] for ax in shown] == [
        ["sphere", "free"],
        ["", ""],
        ["sphere", "free"],
    ]
    assert [bool(ax.get_xlabel()) for ax in shown] == [False, True, True]
    # An arm that the first panel lacks has the place that its label has among labels.
    late = {"panel": "S5", "arm": "rows", "ratio": 1.5, "low": 1.2, "high": 1.8, "verdict": "later"}
    table = pd.DataFrame([*rows, late]).assign(margin=1.15, seeds=3, is_lower_bound=False, is_upper_bound=False)
    first = ladder(table, {"sphere": "sphere", "rows": "by rows", "free": "free"}).axes[0]
    assert [label.get_text() for label in first.get_yticklabels()] == ["sphere", "by rows", "free"]
