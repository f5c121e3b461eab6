"""Figures show what their tables hold: lines, marks, axes and legends, read back from the figure."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from grokscope.figures import learning_curves, save, style, weight_norms
from grokscope.figures.style import CLIPPED, UNCLIPPED, arm_colours

STEPS = np.array([0, 10, 20, 50, 100, 200, 500, 1000])
RUNS = [
    {"run": "a", "arm": "lion-clip", "max_norm": 2.0, "memorisation_step": 50, "grok_step": 200},
    {"run": "b", "arm": "lion", "max_norm": None, "memorisation_step": 100, "grok_step": None},
]


def milestones(runs: list[dict] = RUNS) -> pd.DataFrame:
    table = pd.DataFrame([{"task": "mul", "seed": 0, "steps": 1000, **run} for run in runs])
    for name in ("memorisation_step", "grok_step"):
        table[name] = table[name].astype("Int64")
    return table.assign(max_norm=table["max_norm"].astype("float64"))


def curves(runs: list[dict] = RUNS) -> pd.DataFrame:
    rows = [
        {
            "run": run["run"],
            "task": "mul",
            "arm": run["arm"],
            "step": step,
            "split": split,
            "loss": np.exp(-step / 100) + offset,
            "accuracy": step / 1000,
        }
        for run in runs
        for step in STEPS
        for offset, split in enumerate(("train", "val"))
    ]
    return pd.DataFrame(rows)


def test_a_loss_is_labelled_with_its_unit():
    """Tables of before do not say it: their losses are in nats."""
    both = curves().assign(unit=lambda table: np.where(table["run"] == "a", "nats", "squared error"))
    tables = {"nats": curves(), "squared error": curves().assign(unit="squared error"), "nats or squared error": both}
    for unit, table in tables.items():
        assert f"loss ({unit})" in {ax.get_ylabel() for ax in learning_curves(table, milestones()).axes}


def norms(runs: list[dict] = RUNS, groups: tuple[str, ...] = ("attention", "embed", "all")) -> pd.DataFrame:
    rows = [
        {
            "run": run["run"],
            "arm": run["arm"],
            "step": step,
            "group": group,
            "parameter": "",
            "norm": 3.0 + index + step / 100,
        }
        for run in runs
        for index, group in enumerate(groups)
        for step in STEPS
    ]
    return pd.DataFrame(rows)


def shown(ax) -> dict[str, tuple[list, list]]:
    """The labelled lines of a panel."""
    return {
        str(line.get_label()): (list(line.get_xdata()), list(line.get_ydata()))
        for line in ax.lines
        if not str(line.get_label()).startswith("_")
    }


def marks(ax, milestone: str) -> list[float]:
    return [float(line.get_xdata()[0]) for line in ax.lines if line.get_label() == f"_{milestone}"]


def legend_of(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_learning_curves_draw_every_number_of_their_table():
    table = curves()
    figure = learning_curves(table, milestones())
    axes = figure.axes
    assert len(axes) == 4
    for ax, (run, quantity) in zip(
        axes, (("a", "accuracy"), ("b", "accuracy"), ("a", "loss"), ("b", "loss")), strict=True
    ):
        expected = {}
        for split, word in (("train", "training"), ("val", "validation")):
            part = table[(table["run"] == run) & (table["split"] == split)]
            expected[f"{run} {word}"] = (part["step"].tolist(), part[quantity].tolist())
        assert shown(ax) == expected


def test_learning_curves_have_labelled_axes_with_logarithmic_steps_and_loss():
    accuracy, _, loss, loss_of_b = learning_curves(curves(), milestones()).axes
    assert [accuracy.get_ylabel(), loss.get_ylabel()] == ["accuracy", "loss (nats)"]
    assert [ax.get_xlabel() for ax in (loss, loss_of_b)] == ["step", "step"]
    assert accuracy.get_xscale() == loss.get_xscale() == "symlog"
    assert (accuracy.get_yscale(), loss.get_yscale()) == ("linear", "log")
    assert accuracy.get_title(loc="left") == "lion-clip"


def test_the_step_axis_is_linear_up_to_the_first_evaluation_and_logarithmic_from_there():
    figure = learning_curves(curves(), milestones())
    figure.draw_without_rendering()
    ax = figure.axes[2]
    across = ax.transData.transform([(step, 1.0) for step in (0, 5, 10, 100, 1000)])[:, 0]
    assert across[1] - across[0] == pytest.approx(across[2] - across[1])
    assert across[3] - across[2] == pytest.approx(across[4] - across[3])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "10", "100", "1,000"]


def test_marks_stand_at_the_milestones_and_say_so():
    figure = learning_curves(curves(), milestones())
    of_a, of_b = figure.axes[:2]
    for ax in (of_a, figure.axes[2]):
        assert (marks(ax, "memorisation_step"), marks(ax, "grok_step")) == ([50], [200])
    assert (marks(of_b, "memorisation_step"), marks(of_b, "grok_step")) == ([100], [])
    assert [text.get_text() for text in of_a.texts] == ["50", "200"]
    assert of_b.get_title(loc="right") == "not grokked in 1,000 steps"
    assert legend_of(figure) == ["training", "validation", "memorised", "grokked"]


def test_seeds_of_one_arm_share_a_panel():
    runs = [{**RUNS[0], "run": f"s{seed}", "grok_step": 100 * (seed + 1)} for seed in range(3)]
    figure = learning_curves(curves(runs), milestones(runs))
    assert len(figure.axes) == 2
    assert len(shown(figure.axes[0])) == 6
    assert marks(figure.axes[0], "grok_step") == [100, 200, 300]
    assert figure.axes[0].get_title(loc="right") == "3 of 3 grokked"
    assert [text.get_text() for text in figure.axes[0].texts] == ["50", "100–300"]


@pytest.mark.parametrize("arms", range(1, 8))
def test_any_number_of_arms_has_a_pair_of_panels_each(arms):
    runs = [{**RUNS[0], "run": str(arm), "arm": f"arm {arm}"} for arm in range(arms)]
    figure = learning_curves(curves(runs), milestones(runs))
    assert len(figure.axes) == 2 * arms
    assert figure.get_figwidth() < 7.0


def test_weight_norms_draw_a_panel_per_group_and_a_dot_at_the_grok():
    table = norms()
    figure = weight_norms(table, milestones())
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["attention", "embedding", "all parameters"]
    for ax, group in zip(figure.axes, ("attention", "embed", "all"), strict=True):
        for run in ("a", "b"):
            part = table[(table["run"] == run) & (table["group"] == group)]
            assert shown(ax)[run] == (part["step"].tolist(), part["norm"].tolist())
        assert marks(ax, "grok_step") == [200]
        assert (ax.get_xscale(), ax.get_yscale(), ax.get_xlabel()) == ("symlog", "log", "step")
    assert figure.axes[0].get_ylabel() == "norm"
    assert legend_of(figure) == ["lion-clip", "lion", "grokked"]


def test_clipped_arms_are_cold_and_others_warm_whatever_their_order_and_number():
    colours = arm_colours(milestones(RUNS[::-1]))
    assert colours == {"lion": UNCLIPPED[0], "lion-clip": CLIPPED[0]}
    many = [{**RUNS[index % 2], "run": str(index), "arm": f"arm {index}"} for index in range(20)]
    assert len(set(arm_colours(milestones(many)).values())) == 20


def test_a_figure_can_be_drawn_from_what_a_diverged_or_empty_run_has():
    table = curves()
    table.loc[table["step"] >= 500, "loss"] = np.nan
    table.loc[table["step"] == 200, "loss"] = np.inf
    learning_curves(table, milestones()).draw_without_rendering()
    weight_norms(norms().assign(norm=0.0), milestones()).draw_without_rendering()
    nothing = milestones([{**run, "memorisation_step": None, "grok_step": None} for run in RUNS])
    learning_curves(table.iloc[:0], nothing).draw_without_rendering()


def test_a_single_point_is_seen():
    nothing = milestones([{**run, "memorisation_step": None, "grok_step": None} for run in RUNS])
    for draw, table in ((learning_curves, curves()), (weight_norms, norms())):
        figure = draw(table[table["step"] == 0], nothing)
        figure.draw_without_rendering()
        assert {line.get_marker() for ax in figure.axes for line in ax.lines} == {"."}
        many = draw(table, nothing)
        assert {line.get_marker() for ax in many.axes for line in ax.lines} <= {"", "None"}


def test_a_run_without_layer_norm_has_no_line_and_no_dot_among_the_gains_of_another():
    runs = [{**run, "grok_step": 200} for run in RUNS]
    table = norms(runs, ("attention", "ln", "all"))
    table = table[(table["run"] == "a") | (table["group"] != "ln")]
    attention, gains, _ = weight_norms(table, milestones(runs)).axes
    drawn = [str(line.get_label()) for line in gains.lines if len(np.asarray(line.get_xdata()))]
    assert drawn == ["a", "_grok_step"]
    assert len([line for line in attention.lines if line.get_label() == "_grok_step"]) == 2


@pytest.mark.parametrize("count", range(1, 10))
def test_any_number_of_groups_can_be_drawn(count):
    groups = ("attention", "mlp", "ln", "ln_final", "pos_embed", "biases", "embed", "unembed", "all")[:count]
    weight_norms(norms(groups=groups), milestones()).draw_without_rendering()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_legend_fits_the_figure(count):
    runs = [{**RUNS[0], "run": f"r{i}", "arm": f"arm{i}"} for i in range(count)]
    figure = learning_curves(curves(runs), milestones(runs))
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width


@pytest.mark.parametrize(("low", "high"), [(0.13, 6.0), (0.9, 1.1e3), (2.0, 5.0)])
def test_a_narrow_logarithmic_axis_has_more_labels_than_one_and_they_are_plain(low, high):
    figure, [[ax]] = style.blank(1, 1)
    ax.set_yscale("log")
    ax.set_ylim(low, high)
    style.log_ticks(ax.yaxis, low, high)
    figure.draw_without_rendering()
    labels = [tick.label1.get_text() for tick in ax.yaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert len(labels) >= 2
    assert all(float(label.replace(",", "")) > 0 for label in labels)
    assert not any(tick.label1.get_text() for tick in ax.yaxis.get_minor_ticks())


def test_a_name_that_looks_like_tex_is_shown_as_it_is(tmp_path):
    runs = [{**RUNS[0], "arm": r"$\frac{"}, {**RUNS[1], "arm": "_hidden$"}]
    figure = weight_norms(norms(runs), milestones(runs))
    save(figure, norms(runs), tmp_path, "tex")
    assert legend_of(figure) == [r"$\frac{", "_hidden$", "grokked"]
    save(learning_curves(curves(runs), milestones(runs)), curves(runs), tmp_path, "tex2")


def test_saving_writes_three_files_that_hold_the_figure_and_its_table(tmp_path):
    table = curves()
    paths = save(learning_curves(table, milestones()), table, tmp_path / "new", "curves")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "curves.csv",
        "curves.pdf",
        "curves.png",
    ]
    pd.testing.assert_frame_equal(pd.read_csv(paths["csv"]), table, check_dtype=False)
    assert paths["png"].read_bytes().startswith(b"\x89PNG")
    pdf = paths["pdf"].read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"/Type3" not in pdf  # TrueType, as journals ask


def test_the_same_figure_gives_the_same_bytes_in_any_thread(tmp_path):
    table, reached = curves(), milestones()

    def draw(index: int) -> list[bytes]:
        paths = save(learning_curves(table, reached), table, tmp_path, f"figure{index}")
        return [path.read_bytes() for path in paths.values()]

    with ThreadPoolExecutor(3) as pool:
        drawn = list(pool.map(draw, range(3)))
    assert drawn[0] == drawn[1] == drawn[2] == draw(9)


@pytest.mark.parametrize("name", ["", "../x", "-x", "a/b", "a\0b", "a b", "a\n"])
def test_a_file_name_that_is_not_plain_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="figure name"):
        save(Figure(), pd.DataFrame(), tmp_path, name)
    assert not list(tmp_path.iterdir())


def test_drawing_leaves_the_users_matplotlib_alone(tmp_path):
    with mpl.rc_context({"font.size": 31, "pdf.fonttype": 3}):
        before = dict(mpl.rcParams)
        save(learning_curves(curves(), milestones()), curves(), tmp_path, "figure")
        assert dict(mpl.rcParams) == before
    assert not plt.get_fignums()
