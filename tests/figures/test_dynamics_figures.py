"""Figures of dynamics show what their tables hold, for what a run has of it: lines, bounds, marks, colours by step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from grokscope import figures
from grokscope.analysis import DelayLaw, delay_law, update_parts
from grokscope.analysis.dynamics.delay_published import published_delays
from grokscope.figures.dynamics.over_steps import PARAMETER_GROUP_COLOUR
from grokscope.figures.files import png

STEPS = [0, 10, 20, 50, 100]
GROUPS = ("attention", "mlp", "ln_final", "all")
RUNS = {"a": ("clip", 2.0, 50), "b": ("free", None, None)}


def milestones(names: tuple[str, ...] = ("a", "b")) -> pd.DataFrame:
    rows = [
        {"run": run, "task": "mul", "seed": 0, "arm": RUNS[run][0], "max_norm": RUNS[run][1], "grok_step": RUNS[run][2]}
        for run in names
    ]
    table = pd.DataFrame(rows).assign(steps=100, memorisation_step=pd.NA)
    types = {"max_norm": "float64", "grok_step": "Int64", "memorisation_step": "Int64"}
    return table.astype(types)


def over_steps(**columns: Callable[[str, int], float]) -> pd.DataFrame:
    """A row per run and step, with the columns as functions of run and step."""
    keys = [(run, step) for run in RUNS for step in STEPS]
    told = [{"run": r, "task": "mul", "arm": RUNS[r][0], "seed": 0, "step": s} for r, s in keys]
    values = [{name: of(r, s) for name, of in columns.items()} for r, s in keys]
    return pd.DataFrame([{**one, **two} for one, two in zip(told, values, strict=True)])


def by_group(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([table.assign(group=group, parameter="") for group in GROUPS], ignore_index=True)


def norms() -> pd.DataFrame:
    table = over_steps(
        norm=lambda r, s: 9.0 + s,
        row_mean=lambda r, s: 1.0 + s / 100,
        row_q10=lambda r, s: 0.5,
        row_q90=lambda r, s: 2.0,
        bound=lambda r, s: 2.0 if r == "a" and s >= 10 else np.nan,
    )
    return by_group(table)


def steps() -> pd.DataFrame:
    """Probes, in which run b has no clip and nothing is known of step 0."""

    def part(size: float) -> Callable[[str, int], float]:
        return lambda r, s: size * (1 + s / 100) if s else np.nan

    table = over_steps(
        gradient=part(1.0),
        gradient_radial=part(0.5),
        decay=part(0.0),
        decay_radial=part(0.0),
        clip=lambda r, s: np.nan if not s else 0.2 if r == "a" else 0.0,
        clip_radial=lambda r, s: np.nan if not s else 0.2 if r == "a" else 0.0,
        total=part(0.9),
        total_radial=part(0.3),
        angle_mean=part(0.01),
        gradient_l1=part(100.0),
        gradient_absolute_entropy=part(700.0),
        gradient_normalised_entropy=part(11.0),
    )
    return by_group(table)


def logits() -> pd.DataFrame:
    table = over_steps(
        logit_std=lambda r, s: 1.0 + s,
        margin=lambda r, s: s - 1.0,
        entropy=lambda r, s: 1.0,
        hidden_norm=lambda r, s: 9.0,
        final_gain_norm=lambda r, s: 2.0,
        zero_loss=lambda r, s: 0.1,
        collapse=lambda r, s: 0.2,
    )
    return pd.concat([table.assign(dtype="float32"), table.assign(dtype="float64", collapse=0.0)], ignore_index=True)


def effective() -> pd.DataFrame:
    table = over_steps(effective_rank=lambda r, s: 20.0 - s / 10)
    matrices = [
        ("embed.W_E", "W_E", None, None),
        ("blocks.1.attn.QK.0", "QK", 1, 0),
        ("blocks.0.attn.QK.1", "QK", 0, 1),
    ]
    parts = [table.assign(matrix=m, kind=k, layer=layer, head=h, largest=32) for m, k, layer, h in matrices]
    return pd.concat(parts, ignore_index=True).astype({"layer": "Int64", "head": "Int64"})


def knowledge() -> pd.DataFrame:
    return over_steps(
        signal=lambda r, s: s / 20 - 0.5,
        memory=lambda r, s: 4.0 - s / 50,
        noise_val=lambda r, s: 1.0,
        train_accuracy=lambda r, s: 1.0,
        val_accuracy=lambda r, s: s / 100,
    ).assign(operation="mul")


def phases() -> pd.DataFrame:
    return over_steps(norm=lambda r, s: 100.0 + s, val_loss=lambda r, s: 5.0 / (1 + s), train_loss=lambda r, s: 1.0)


def fan() -> pd.DataFrame:
    table = over_steps(loss=lambda r, s: 1.0 + s, accuracy=lambda r, s: s / 100)
    parent = table[table["run"] == "a"].assign(role="parent", parent="a", branch_step=pd.NA, switch="")
    branch = table[(table["run"] == "b") & (table["step"] >= 20)]
    branch = branch.assign(role="branch", parent="a", branch_step=20, switch="norms.max_norm: none -> 2")
    both = pd.concat([parent.astype({"branch_step": "Int64"}), branch.astype({"branch_step": "Int64"})])
    return pd.concat([both.assign(split=split) for split in ("train", "val")], ignore_index=True)


def delays() -> pd.DataFrame:
    rows = [
        {"run": f"{rho}-{seed}", "rho": rho, "seed": seed, "delay_from_clamp": np.exp(15 * rho - 6 + seed / 10)}
        for rho in (0.8, 0.9, 1.0)
        for seed in range(3)
    ]
    table = pd.DataFrame(rows).assign(budget_from_clamp=9000.0, status="finished")
    table["censored"] = table["delay_from_clamp"] > 9000
    table.loc[0, "status"] = "diverged"
    table.loc[8, "censored"] = True
    return table


DRAWN: dict[str, Callable[[], Figure]] = {
    "weight_norms": lambda: figures.weight_norms(norms(), milestones()),
    "row_norms": lambda: figures.row_norms(norms(), milestones()),
    "clip_accounting": lambda: figures.clip_accounting(update_parts(steps()), milestones()),
    "update_anatomy": lambda: figures.update_anatomy(update_parts(steps()), milestones()),
    "angular_steps": lambda: figures.angular_steps(steps(), milestones()),
    "signal_and_memory": lambda: figures.signal_and_memory(knowledge(), milestones()),
    "gradient_entropy": lambda: figures.gradient_entropy(steps(), milestones()),
    "logit_scale": lambda: figures.logit_scale(logits(), milestones()),
    "effective_ranks": lambda: figures.effective_ranks(effective(), milestones()),
    "phase_portrait": lambda: figures.phase_portrait(phases(), milestones()),
    "branches": lambda: figures.branches(fan()),
    "delay_law": lambda: figures.delay_law(delays(), delay_law(delays())),
}


def lines(ax, label: str) -> list[tuple[list, list]]:
    return [
        (list(map(float, line.get_xdata())), list(map(float, line.get_ydata())))
        for line in ax.lines
        if str(line.get_label()) == label
    ]


def titles(figure: Figure) -> list[str]:
    return [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]


def legend_of(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_fits_a_page_with_its_legend_and_is_the_same_each_time(name: str):
    figure = DRAWN[name]()
    figure.draw_without_rendering()
    assert figure.get_figwidth() <= 7.0
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    first, second = (png(DRAWN[name]()) for _ in range(2))
    assert first == second


def test_signal_memory_and_noise_stand_above_accuracy_on_one_axis_of_steps():
    figure = figures.signal_and_memory(knowledge(), milestones())
    assert titles(figure) == ["mul"]
    signal, memory, noise, accuracy = figure.axes
    assert [ax.get_ylabel() for ax in figure.axes] == ["signal (nats)", "memory (nats)", "noise (nats)", "accuracy"]
    for run in RUNS:
        assert lines(signal, run) == [(STEPS, [s / 20 - 0.5 for s in STEPS])]
        assert lines(memory, run) == [(STEPS, [4.0 - s / 50 for s in STEPS])]
        assert lines(noise, run) == [(STEPS, [1.0] * 5)]
        assert lines(accuracy, f"{run} val") == [(STEPS, [s / 100 for s in STEPS])]
        assert lines(accuracy, f"{run} train") == [(STEPS, [1.0] * 5)]
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    assert [lines(ax, "_grok_step")[0][0] for ax in figure.axes] == [[50.0, 50.0]] * 4
    (low, high) = signal.get_ylim()
    assert low < -0.5
    assert high > 4.5
    assert memory.get_ylim()[0] < 0 < memory.get_ylim()[1]  # from zero, so that heights compare
    assert legend_of(figure) == ["clip", "free", "training", "validation", "grokked"]


def test_several_operations_have_a_column_each_and_what_is_not_known_no_line():
    table = pd.concat([knowledge(), knowledge().assign(operation="add", memory=np.nan)], ignore_index=True)
    figure = figures.signal_and_memory(table, milestones())
    assert titles(figure) == ["mul: mul", "mul: add"]
    assert len(figure.axes) == 8


def test_rows_are_drawn_in_their_band_with_the_bound_while_it_holds():
    table = norms()
    figure = figures.row_norms(table, milestones())
    assert titles(figure) == ["attention", "MLP", "final LayerNorm gain", "all parameters"]
    ax = figure.axes[0]
    here = table[(table["run"] == "a") & (table["group"] == "attention")]
    assert lines(ax, "a") == [(here["step"].tolist(), here["row_mean"].tolist())]
    bound_a, bound_b = lines(ax, "_bound")
    assert np.array_equal(bound_a[1], [np.nan, 2, 2, 2, 2], equal_nan=True)
    assert np.isnan(bound_b[1]).all()
    band = ax.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (0.5, 2.0)
    assert lines(ax, "_grok_step") == [([50.0], [1.5])]
    assert legend_of(figure) == ["clip", "free", "grokked", "bound"]


def test_clip_accounting_shows_clipped_arms_and_groups_alone():
    figure = figures.clip_accounting(update_parts(steps()), milestones())
    assert titles(figure) == ["clip"]
    size, share = figure.axes
    for group in ("attention", "mlp", "ln_final"):
        assert lines(size, group) == [([10, 20, 50, 100], [0.2] * 4)]
        expected = [0.2 / (0.2 + 1 + s / 100) for s in (10, 20, 50, 100)]
        ((_, values),) = lines(share, group)
        assert values == pytest.approx(expected)
    assert not lines(size, "all")
    (line,) = [line for line in size.lines if line.get_label() == "mlp"]
    assert line.get_color() == PARAMETER_GROUP_COLOUR["mlp"]


def test_update_anatomy_has_a_column_per_arm_and_no_line_for_what_is_not_there():
    figure = figures.update_anatomy(update_parts(steps()), milestones())
    assert titles(figure) == ["clip", "free"]
    tangential, other, radial, other_radial = figure.axes
    ((_, values),) = lines(radial, "gradient")
    assert values == pytest.approx([0.5 * (1 + s / 100) for s in (10, 20, 50, 100)])
    ((_, values),) = lines(tangential, "gradient")
    assert values == pytest.approx([np.sqrt(0.75) * (1 + s / 100) for s in (10, 20, 50, 100)])
    assert lines(radial, "clip")
    assert not lines(other_radial, "clip")
    assert not lines(radial, "decay")
    assert lines(other, "gradient")
    assert legend_of(figure) == ["gradient step", "clip"]


def test_angles_and_entropies_leave_out_step_0():
    angles = figures.angular_steps(steps(), milestones())
    assert titles(angles) == ["attention", "MLP", "final LayerNorm gain", "all parameters"]
    assert lines(angles.axes[0], "b")[0][0] == [10, 20, 50, 100]
    entropy = figures.gradient_entropy(steps(), milestones())
    assert titles(entropy) == ["absolute (AGE)", "normalised (nats)", "L1 norm of the gradient"]
    assert lines(entropy.axes[0], "a")[0][1] == pytest.approx([700 * (1 + s / 100) for s in (10, 20, 50, 100)])
    assert entropy.axes[2].get_yscale() == "log"


def test_collapse_is_drawn_in_both_dtypes_and_the_final_gain_where_there_is_one():
    figure = figures.logit_scale(logits(), milestones())
    share = figure.axes[-1]
    assert lines(share, "a") == [(STEPS, [0.2] * 5)]
    assert lines(share, "_float64") == [(STEPS, [0.0] * 5)] * 2
    assert lines(share, "_zero_loss") == [(STEPS, [0.1] * 5)] * 2
    assert "norm of the final gain" in titles(figure)
    without = figures.logit_scale(logits().assign(final_gain_norm=np.nan), milestones())
    assert "norm of the final gain" not in titles(without)
    recorded = logits().drop_duplicates(["run", "step"]).drop(columns="dtype").assign(group="all", parameter="")
    assert "collapsed in float64" not in legend_of(figures.logit_scale(recorded, milestones()))


def test_ranks_have_a_line_per_matrix_and_the_rank_they_could_have():
    figure = figures.effective_ranks(effective(), milestones())
    assert titles(figure) == ["W_E", "QK circuits, by head"]
    assert lines(figure.axes[1], "a blocks.1.attn.QK.0") == [(STEPS, [20.0 - s / 10 for s in STEPS])]
    assert len(figure.axes[1].lines) == 4 + 1
    assert lines(figure.axes[0], "_largest")[0][1] == [32, 32]
    assert "layer 1" in legend_of(figure)


def test_the_phase_portrait_colours_by_step_and_stars_the_grok():
    figure = figures.phase_portrait(phases(), milestones())
    clip, free = figure.axes[:2]
    assert clip.get_xlim() == free.get_xlim()
    assert clip.get_ylim() == free.get_ylim()
    assert lines(clip, "_grok_step") == [([150.0], [5.0 / 51])]
    assert lines(free, "_grok_step") == [([], [])]
    assert list(clip.collections[0].get_array()) == [10, 10, 20, 50, 100]  # step 0 has no place on a log scale
    assert clip.collections[0].get_offsets().tolist() == [[100.0 + s, 5.0 / (1 + s)] for s in STEPS]


def test_branches_fan_out_of_their_parent_on_the_validation_split():
    figure = figures.branches(fan())
    accuracy, loss = figure.axes
    assert lines(accuracy, "a") == [(STEPS, [s / 100 for s in STEPS])]
    assert lines(loss, "b") == [([20, 50, 100], [21, 51, 101])]
    assert lines(accuracy, "_branch_step")[0][0] == [20, 20]
    assert legend_of(figure) == ["parent", "norms.max_norm: none -> 2"]


def test_the_delay_law_shows_groks_censored_and_excluded_runs_and_the_published_line():
    table = delays().assign(published_setting=True)
    law = delay_law(table)
    (ax,) = figures.delay_law(table, law).axes
    by_label = {str(line.get_label()): line for line in ax.lines}
    assert by_label["grokked"].get_marker() == "o"
    assert len(by_label["grokked"].get_xdata()) == 7
    assert by_label["not grokked in these steps"].get_marker() == "^"
    assert list(by_label["not grokked in these steps"].get_ydata()) == [9000]
    assert list(by_label["left out of the fit"].get_xdata()) == [0.8]
    published = list(published_delays("delay_from_clamp").values())
    assert list(by_label["published delays"].get_ydata()) == pytest.approx(published)
    x, y = (np.asarray(data, dtype=float) for data in by_label["published: alpha 21.44"].get_data())
    assert np.diff(np.log(y)) / np.diff(x) == pytest.approx(21.4418, abs=1e-4)
    (fit,) = [label for label in by_label if label.startswith("fit")]
    assert fit == f"fit: alpha {law.alpha:.2f} ({law.alpha_low:.2f} to {law.alpha_high:.2f})"
    assert ax.get_yscale() == "log"


def test_the_axis_of_the_delay_law_says_from_where_steps_are_counted():
    table = delays().assign(delay_from_start=lambda of: of["delay_from_clamp"] + 600)
    table = table.assign(budget_from_start=table["budget_from_clamp"] + 600)
    (ax,) = figures.delay_law(table).axes
    assert ax.get_ylabel() == "steps from the clamp to the grok"
    (ax,) = figures.delay_law(table, delay="delay_from_start", budget="budget_from_start").axes
    assert ax.get_ylabel() == "steps to the grok"
    renamed = table.rename(columns={"delay_from_start": "delay_in_epochs"})
    (ax,) = figures.delay_law(renamed, delay="delay_in_epochs", budget="budget_from_start").axes
    assert ax.get_ylabel() == "delay in epochs"


def test_the_delay_law_has_no_published_line_beside_runs_of_another_setting():
    figure = figures.delay_law(delays(), delay_law(delays()))
    assert not [label for label in legend_of(figure) if "published" in label]


def test_the_delay_law_draws_a_line_for_each_group():
    table = pd.concat([delays().assign(modulus=59), delays().assign(modulus=97, run="other")], ignore_index=True)
    law = delay_law(table, groups="modulus")
    (ax,) = figures.delay_law(table, law).axes
    drawn = [line for line in ax.lines if str(line.get_label()).startswith(("fit", "_fit"))]
    assert len(drawn) == 2
    assert {text.get_text() for text in ax.texts} == {"59", "97"}


def empty_law() -> DelayLaw:
    return delay_law(delays().assign(censored=True))


def test_a_law_that_is_not_determined_is_said_and_not_drawn():
    figure = figures.delay_law(delays().assign(censored=True), empty_law())
    figure.draw_without_rendering()
    assert "all 8 runs are censored" in titles(figure)[0]
    assert not [text for text in legend_of(figure) if text.startswith("fit")]


@pytest.mark.parametrize("name", [n for n in DRAWN if n not in ("delay_law", "branches")])
def test_figures_of_a_single_checkpoint_or_of_nothing_can_be_drawn(name: str):
    draw = getattr(figures, name)
    tables = {"weight_norms": norms, "row_norms": norms, "logit_scale": logits, "effective_ranks": effective}
    tables |= {"phase_portrait": phases, "angular_steps": steps, "gradient_entropy": steps}
    tables |= {"signal_and_memory": knowledge}
    table = tables[name]() if name in tables else update_parts(steps())
    draw(table[table["step"] == table["step"].max()], milestones()).draw_without_rendering()
    draw(table[table["step"] == 0], milestones()).draw_without_rendering()
    draw(table[table["run"] == "b"], milestones()).draw_without_rendering()
    draw(table.iloc[:0], milestones()).draw_without_rendering()


@pytest.mark.parametrize("name", [n for n in DRAWN if n not in ("delay_law", "branches")])
def test_figures_of_a_diverged_run_can_be_drawn(name: str):
    draw = getattr(figures, name)
    tables = {"weight_norms": norms, "row_norms": norms, "logit_scale": logits, "effective_ranks": effective}
    tables |= {"phase_portrait": phases, "angular_steps": steps, "gradient_entropy": steps}
    tables |= {"signal_and_memory": knowledge}
    table = tables[name]() if name in tables else update_parts(steps())
    numbers = table.select_dtypes("float").columns
    last = table["step"] == 100
    table.loc[last, numbers] = np.nan
    draw(table, milestones()).draw_without_rendering()
    table.loc[last, numbers] = np.inf
    draw(table, milestones()).draw_without_rendering()


def test_the_regime_of_a_non_linearity_has_sizes_and_parts_of_every_layer():
    table = over_steps(
        small=lambda r, s: 1.0 - s / 200,
        input_rms=lambda r, s: 0.5 + s / 100 * (2 if r == "b" else 1),
        linear=lambda r, s: 0.6,
        quadratic=lambda r, s: 0.3 - s / 1000,
        rest=lambda r, s: 0.1 + s / 1000,
    )
    table = pd.concat([table.assign(layer=layer) for layer in (0, 1)], ignore_index=True)
    figure = figures.activation_regime(table, milestones())
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert [title for title in titles if title] == ["mul, layer 0", "mul, layer 1"]
    size, small, parts = figure.axes[0], figure.axes[2], figure.axes[4]  # row by row, two columns
    lines = {line.get_label(): np.asarray(line.get_ydata()) for ax in (size, small, parts) for line in ax.lines}
    np.testing.assert_allclose(lines["b quadratic"], [0.3 - step / 1000 for step in STEPS])
    np.testing.assert_allclose(lines["a rest"], [0.1 + step / 1000 for step in STEPS])
    np.testing.assert_allclose(np.asarray(size.lines[0].get_ydata()), [0.5 + step / 100 for step in STEPS])
    np.testing.assert_allclose(np.asarray(small.lines[0].get_ydata()), [1.0 - step / 200 for step in STEPS])
    assert len({str(line._unscaled_dash_pattern) for line in parts.lines if line.get_label().startswith("a ")}) == 3
    marks = [line for line in size.lines if line.get_label() == "_grok_step"]
    assert [list(line.get_xdata()) for line in marks] == [[50, 50]]  # run b did not grok
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()][:2] == ["clip", "free"]
