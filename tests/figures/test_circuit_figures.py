"""Figures of circuits show what their tables hold, for one run or several, frequencies or other irreps."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import seaborn as sns
from matplotlib.figure import Figure
from scipy.special import ndtr

from grokscope import figures
from grokscope.analysis import milestones, run_all
from grokscope.analysis.circuit.accuracy_rule import fitted_rules
from grokscope.config import RunConfig, TaskConfig, override
from grokscope.figures.circuit.circuit_panels import short_irreps, spread
from grokscope.model import initial_weights
from grokscope.runs import Run
from grokscope.tasks import build_task
from tests.planted import planted_config, planted_weights, write_run

PLANTED = {"k=2": 1.0, "k=3": 1.0}
NAMES = ("keys", "neurons", "neuron_tuning", "restricted_loss", "logit_characters", "circles", "ablation")


def evaluations(grok: int | None) -> list[dict[str, float]]:
    return [
        {"step": s, "train_loss": 1.0, "train_accuracy": 1.0, "val_loss": 1.0, "val_accuracy": float(s >= (grok or 99))}
        for s in (0, 10, 20)
    ]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """A planted clock that appears at step 20, an untrained mixed task and an untrained S3."""
    folder: Path = tmp_path_factory.mktemp("runs")
    config = planted_config(PLANTED, TaskConfig(name="add", modulus=13))
    start = initial_weights(config.model, build_task(config.task), 0)
    checkpoints = {0: start, 10: start, 20: planted_weights(config, PLANTED)}
    runs = [write_run(folder / "planted", config, checkpoints, evaluations(20))]
    small = {"d_model": 8, "n_heads": 2, "d_mlp": 12, "n_layers": 2}
    for name, settings in (
        ("mixed", {"task.name": "mixed", "operations": ("add", "mul"), "modulus": 7}),
        ("s3", {"task.name": "permutation", "task.degree": 3}),
    ):
        config = override(RunConfig(), {**small, **settings})
        start = initial_weights(config.model, build_task(config.task), 0)
        runs.append(write_run(folder / name, config, {0: start, 20: start}, evaluations(None)))
    return runs


@pytest.fixture(scope="module")
def tables(runs: list[Run]) -> dict[str, pd.DataFrame]:
    parts = [run_all(run, NAMES) for run in runs]
    return {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in NAMES}


def titles(figure: Figure) -> list[str]:
    return [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]


def of(table: pd.DataFrame, run: str) -> pd.DataFrame:
    return table[table["run"] == run]


def test_the_heat_map_holds_the_power_of_every_irrep_at_every_step(runs: list[Run], tables: dict) -> None:
    figure = figures.spectrum_over_training(tables["keys"], milestones(runs))
    assert titles(figure) == ["planted", "mixed: add", "mixed: mul", "s3"]
    power = figure.axes[0].collections[0].get_array()
    table = of(tables["keys"], "planted")
    embed = table[(table["site"] == "embed") & (table["basis"] == "own")]
    expected = embed.pivot(index="frequency", columns="step", values="power").to_numpy()
    assert np.asarray(power).reshape(expected.shape) == pytest.approx(expected)
    # The grok step is marked where there was one.
    assert [len(ax.lines) for ax in figure.axes[:4]] == [1, 0, 0, 0]
    labels = {text.get_text() for text in figure.axes[0].texts}
    assert labels == {"1", "2", "3", "4", "5", "6"}


def test_both_bases_are_drawn_and_keys_are_named(runs: list[Run], tables: dict) -> None:
    figure = figures.right_and_wrong_basis(of(tables["keys"], "planted"))
    bars = figure.axes[0].patches
    heights = [bar.get_height() for bar in bars]  # type: ignore[attr-defined]
    assert len(heights) == 6 + 6  # Z13 has 6 frequencies, the units mod 13 have 5 and a sign
    assert heights[:6] == pytest.approx([0, 0.5, 0.5, 0, 0, 0], abs=1e-9)
    assert all(height <= 0 for height in heights[6:])
    assert [text.get_text() for text in figure.axes[0].texts] == ["2", "3"]


def test_loss_curves_are_those_of_the_hindsight_set(runs: list[Run], tables: dict) -> None:
    figure = figures.circuit_losses(tables["restricted_loss"], milestones(runs))
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    table = of(tables["restricted_loss"], "planted")
    chosen = table[(table["basis"] == "own") & (table["set"] == "hindsight") & (table["level"] == "logits")]
    restricted = chosen[chosen["split"] == "val"]["restricted_loss"].to_numpy()
    assert lines["restricted"] == pytest.approx(restricted)
    excluded = chosen[chosen["split"] == "train"]["excluded_loss"].to_numpy()
    assert lines["excluded"] == pytest.approx(excluded)
    assert titles(figure)[:2] == ["planted, logits", "neurons"]


def test_neurons_have_a_panel_per_layer_and_a_bar_each(tables: dict) -> None:
    figure = figures.neuron_clusters(tables["neurons"])
    assert len(titles(figure)) == 1 + 2 * 2 + 2
    shown = figure.axes[0].patches
    table = of(tables["neurons"], "planted")
    last = table[(table["step"] == 20) & (table["basis"] == "own")]
    assert len(shown) == len(last)
    assert sorted(bar.get_height() for bar in shown) == pytest.approx(sorted(last["share"]))  # type: ignore[attr-defined]


def test_neurons_stand_by_irrep_and_by_answer_in_the_order_of_the_table(tables: dict) -> None:
    table = of(tables["neuron_tuning"], "planted")
    figure = figures.neuron_tuning(table)
    assert titles(figure) == ["planted, layer 0 by frequency", "layer 0 by answer"]
    for ax, by, labels in zip(figure.axes[:2], ("irrep", "answer"), (range(1, 7), range(0, 13, 2)), strict=True):
        (image,) = ax.images
        expected = table[table["by"] == by].pivot(index="place", columns="at", values="value").to_numpy()
        assert np.asarray(image.get_array()) == pytest.approx(expected)
        assert [text.get_text() for text in ax.get_xticklabels()] == [str(label) for label in labels]
    assert figure.axes[0].images[0].get_clim() == (0.0, 1.0)
    mixed = figures.neuron_tuning(of(tables["neuron_tuning"], "mixed"))
    assert [title.split(",")[0] for title in titles(mixed)[::2]] == ["mixed: add", "mixed: mul"]
    permutations = figures.neuron_tuning(of(tables["neuron_tuning"], "s3"))
    assert titles(permutations)[0] == "s3, layer 0 by irrep"
    assert [text.get_text() for text in permutations.axes[0].get_xticklabels()] == ["standard", "sign"]


def test_names_of_irreps_and_permutations_do_not_run_into_each_other(tables: dict) -> None:
    numbers, names = (figures.neuron_tuning(of(tables["neuron_tuning"], run)).axes[0] for run in ("planted", "s3"))
    assert {text.get_rotation() for text in numbers.get_xticklabels()} == {0.0}
    assert {text.get_rotation() for text in names.get_xticklabels()} == {90.0}


def test_characters_are_drawn_with_their_sum(tables: dict) -> None:
    figure = figures.logit_characters(of(tables["logit_characters"], "planted"))
    assert figure.axes[0].get_title(loc="right").startswith("own 100.0%, wrong ")


def test_a_key_in_the_wrong_basis_is_named_below_it(tables: dict) -> None:
    table = of(tables["keys"], "planted").copy()
    wrong = (table["basis"] == "wrong") & (table["site"] == "embed") & (table["frequency"] == 4)
    table.loc[wrong, ["key", "power"]] = [True, 0.5]
    texts = figures.right_and_wrong_basis(table).axes[0].texts
    assert [text.get_text() for text in texts] == ["2", "3", "4"]
    assert [float(text.xy[1]) for text in texts] == pytest.approx([0.5, 0.5, -0.5])  # type: ignore[attr-defined]


def test_irreps_without_a_frequency_are_named_on_the_axis_and_no_wrong_basis_is_promised(tables: dict) -> None:
    for draw, name in (
        (figures.right_and_wrong_basis, "keys"),
        (figures.logit_characters, "logit_characters"),
        (figures.neuron_clusters, "neurons"),
        (figures.ablation, "ablation"),
    ):
        figure = draw(of(tables[name], "s3"))
        assert not [text for text in legend_of(figure) if "wrong" in text], name
        assert [text for text in legend_of(draw(of(tables[name], "mixed"))) if "wrong" in text], name
        if name in ("keys", "logit_characters"):
            labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
            assert sorted(labels) == ["sign", "standard"]


def test_no_two_irreps_of_a_dihedral_group_have_one_label(tmp_path: Path) -> None:
    small = {"d_model": 8, "n_heads": 2, "d_mlp": 12, "n_layers": 1}
    config = override(RunConfig(), {**small, "task.name": "group", "task.group": "D4"})
    start = initial_weights(config.model, build_task(config.task), 0)
    tables = run_all(write_run(tmp_path / "d4", config, {0: start}, evaluations(None)), NAMES)
    labels = ["sign", "B1", "B2", "1"]
    for draw, name in (
        (figures.neuron_tuning, "neuron_tuning"),
        (figures.right_and_wrong_basis, "keys"),
        (figures.logit_characters, "logit_characters"),
        (figures.irrep_losses, "restricted_loss"),
    ):
        assert [label.get_text() for label in draw(tables[name]).axes[0].get_xticklabels()] == labels, name
    assert short_irreps(tables["keys"]) == dict(zip(["sign", "B1", "B2", "k=1"], labels, strict=True))
    # Of a part of the irreps, the axis bears the same names.
    part = tables["keys"].query("irrep == 'B1' or irrep == 'B2'")
    ticks = figures.right_and_wrong_basis(part).axes[0].get_xticklabels()
    assert [label.get_text() for label in ticks] == ["B1", "B2"]
    points = pd.DataFrame(
        {"run": "d4", "operation": "D4", "basis": "own", "group": "D4", "frequency": 2, "element": [0, 1]}
    )
    circles = pd.concat([points.assign(irrep=name, power=0.5, x=1.0, y=0.0, turn=0.0) for name in ("B1", "B2")])
    assert titles(figures.embedding_circles(circles)) == ["B1  (50%)", "B2  (50%)"]


def legend_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_ablation_shows_the_last_checkpoint_with_both_controls(tables: dict) -> None:
    figure = figures.ablation(of(tables["ablation"], "planted"))
    table = of(tables["ablation"], "planted")
    table = table[(table["step"] == 20) & (table["split"] == "val")]
    own, wrong = table[table["set"] == "hindsight"], table[table["set"] == "matched"]
    assert list(own["site"]) == ["embedding", "neurons", "logits"]
    for ax, quantity in zip(figure.axes, ("loss", "accuracy"), strict=True):
        drawn = {line.get_label(): np.asarray(line.get_xdata(), dtype=float) for line in ax.lines}
        assert drawn["key"] == pytest.approx(own[quantity].to_numpy())
        assert drawn["control"] == pytest.approx(own[f"control_{quantity}"].to_numpy())
        assert drawn["wrong"] == pytest.approx(wrong[quantity].to_numpy())
        assert drawn["full"] == pytest.approx(own[f"full_{quantity}"].iloc[0])
    assert figure.axes[1].get_title(loc="right") == "2 key irreps"
    several = figures.ablation(tables["ablation"])
    assert titles(several) == ["planted", "mixed: add", "mixed: mul", "s3"]
    assert several.axes[-1].get_title(loc="right") == "no key irreps"


def test_an_ablation_without_validation_examples_is_drawn_empty(tables: dict) -> None:
    table = tables["ablation"]
    figures.ablation(table[table["split"] == "train"]).draw_without_rendering()


def test_circles_show_the_key_irreps_of_one_run_and_under_them_the_control(tables: dict) -> None:
    table = of(tables["circles"], "planted")
    figure = figures.embedding_circles(table)
    shown = titles(figure)
    assert sorted(shown[:2]) == ["k = 2  (50%)", "k = 3  (50%)"]
    wrong = table[table["basis"] == "wrong"].groupby("frequency")["power"].first().sort_values(ascending=False)
    assert shown[2:] == [f"wrong: k = {k}  ({100 * power:.0f}%)" for k, power in wrong.items()]
    assert len(wrong) == 2
    points = figure.axes[0].collections[0].get_offsets()
    radius = np.linalg.norm(np.asarray(points), axis=1)
    assert radius == pytest.approx(radius[0])
    # Points in the same direction from the centre have one colour: it goes around as the plane does.
    plane = table[(table["basis"] == "own") & (table["irrep"] == table["irrep"].iloc[0])]
    colours = figure.axes[0].collections[0].get_facecolors()
    expected = np.array(sns.color_palette("husl", 256))[(256 * plane["turn"].to_numpy()).astype(int)]
    assert colours[:, :3] == pytest.approx(expected)
    angles = np.unwrap(2 * np.pi * np.sort(plane["turn"]))
    assert np.diff(angles) == pytest.approx(2 * np.pi / len(plane))
    with pytest.raises(ValueError, match="draws one run that has key irreps; the table has 0"):
        figures.embedding_circles(of(tables["circles"], "nobody"))
    with pytest.raises(ValueError, match="the table has 0"):
        figures.embedding_circles(table[table["basis"] == "wrong"])


def test_circles_of_a_mixed_task_are_those_of_every_group_once(tables: dict) -> None:
    plain = of(tables["circles"], "planted")
    own, wrong = plain[plain["basis"] == "own"], plain[plain["basis"] == "wrong"]
    sub = plain.assign(operation="sub")
    mul = pd.concat([wrong.assign(operation="mul", basis="own"), own.assign(operation="mul", basis="wrong")])
    shown = titles(figures.embedding_circles(pd.concat([plain, sub, mul])))
    assert [title.split(":")[0] for title in shown] == ["add", "add", "mul", "mul"]


@pytest.mark.parametrize(
    "places",
    [[0.0, 10.0, 20.0], [1.0, 2.0, 3.0, 6.0], [0.0, 0.0, 0.0], [5.0], []],
    ids=["free", "near", "same", "one", "none"],
)
def test_labels_are_spread_in_order_and_no_further_than_needed(places: list[float]) -> None:
    moved = spread(places, 2.5)
    assert all(b - a >= 2.5 - 1e-9 for a, b in pairwise(moved))
    assert sum(moved) == pytest.approx(sum(places))
    if all(b - a >= 2.5 for a, b in pairwise(places)):
        assert moved == places


def test_accuracy_stands_against_what_it_should_be_fixed_by() -> None:
    """Planted: accuracies that the rule gives exactly, so that every dot is on the line."""
    signal, noise = np.linspace(0, 8, 9), np.linspace(1, 2, 9)
    margins = pd.DataFrame({"arm": ["a", "b", "b"] * 3, "signal": signal, "noise_val": noise, "memory": 1.0})
    margins = margins.assign(val_accuracy=ndtr(1.3 * (signal / noise - 1.0)))
    _, predictions = fitted_rules(margins, np.arange(9) % 2 == 0)
    figure = figures.accuracy_by_margins(predictions)
    assert [ax.get_xlabel() for ax in figure.axes] == ["signal (nats)", "signal / noise", "memory (nats)"]
    middle = figure.axes[1]
    dots = [line for line in middle.lines if line.get_label() == "_b"]
    assert [line.get_fillstyle() for line in dots] == ["full", "none"]
    assert sum(len(line.get_xdata()) for line in dots) == 6
    rule = middle.lines[-1]
    np.testing.assert_allclose(rule.get_xdata(), np.sort(signal / noise))
    np.testing.assert_allclose(rule.get_ydata(), np.sort(predictions["val_accuracy"]), atol=1e-3)
    assert len(figure.axes[2].lines) == 4, "memory has no rule"


def test_a_curve_that_leaves_the_axis_is_marked_where_it_does(tables: dict, runs: list[Run]) -> None:
    table = of(tables["restricted_loss"], "planted")
    low = (table["set"] == "answer") & (table["step"] >= 10)
    table = table.assign(restricted_loss=table["restricted_loss"].mask(low, 1e-5))
    figure = figures.circuit_losses(table, milestones(runs))
    for ax in figure.axes:
        marks = [line for line in ax.lines if line.get_label() == "_cut" and line.get_color() == "#009E73"]
        assert [list(mark.get_xdata()) for mark in marks] == [[10]]


def test_runs_of_one_task_share_their_axis_of_steps(tables: dict, runs: list[Run]) -> None:
    short = of(tables["restricted_loss"], "planted")
    long = short.assign(run="longer", step=10 * short["step"])
    both = pd.concat([short, long], ignore_index=True)
    drawn = figures.circuit_losses(both, milestones(runs))
    assert {ax.get_xlim() for ax in drawn.axes} == {(0.0, 200.0)}
