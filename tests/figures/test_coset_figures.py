"""Figures of cosets show what their tables hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from grokscope import figures
from grokscope.analysis import milestones, neuron_grid, run_all
from grokscope.analysis.cosets.coset_ablation import coset_ablation
from grokscope.config import RunConfig, override
from grokscope.model import initial_weights
from grokscope.runs import Run
from grokscope.tasks import build_task
from tests.planted import write_run
from tests.planted_cosets import FIRST, coset_config, coset_weights

NAMES = ("cosets", "coset_summary", "coset_matrix", "readings", "coset_ablation")


def evaluations(grok: int) -> list[dict[str, float]]:
    return [
        {"step": s, "train_loss": 1.0, "train_accuracy": 1.0, "val_loss": 1.0, "val_accuracy": float(s >= grok)}
        for s in (0, 10, 20)
    ]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Planted cosets that appear at step 20, and an untrained network of two layers on S3."""
    folder: Path = tmp_path_factory.mktemp("runs")
    config = coset_config()
    start = initial_weights(config.model, build_task(config.task), 0)
    planted = [write_run(folder / "planted", config, {0: start, 20: coset_weights(config)}, evaluations(20))]
    small = {"d_model": 8, "n_heads": 2, "d_mlp": 12, "n_layers": 2, "task.name": "permutation", "task.degree": 3}
    config = override(RunConfig(), small)
    start = initial_weights(config.model, build_task(config.task), 0)
    return [*planted, write_run(folder / "s3", config, {0: start, 20: start}, evaluations(99))]


@pytest.fixture(scope="module")
def tables(runs: list[Run]) -> dict[str, pd.DataFrame]:
    parts = [run_all(run, NAMES) for run in runs]
    return {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in NAMES}


def of(table: pd.DataFrame, run: str) -> pd.DataFrame:
    return table[table["run"] == run]


def titles(figure: Figure) -> list[str]:
    return [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]


def test_the_heat_map_has_a_row_per_class_and_a_column_per_neuron(tables: dict[str, pd.DataFrame]) -> None:
    figure = figures.coset_concentration(tables["coset_matrix"])
    assert titles(figure) == ["planted, layer 0", "s3, layer 0", "s3, layer 1"]
    left = of(tables["coset_matrix"], "planted")
    left = left[(left["operand"] == "left") & (left["note"] == "")]
    shown = np.asarray(figure.axes[0].collections[0].get_array()).reshape(9, -1)
    assert shown.shape[1] == left["neuron"].nunique()
    wide = left.pivot(index="subgroup", columns="neuron", values="concentration")
    assert np.sort(shown.min(0)) == pytest.approx(np.sort(wide.min().to_numpy()))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0] == "A4  2"
    assert labels[-1].endswith("  12")
    # Neurons of one best class stand together.
    scores = left.pivot(index="subgroup", columns="neuron", values="score").loc[
        [label.split("  ")[0] for label in labels]
    ]
    counts = np.bincount(scores.to_numpy().round(4).argmax(0), minlength=9)
    frames = [patch for patch in figure.axes[0].patches if patch.get_height() == 1]  # type: ignore[attr-defined]
    assert [patch.get_width() for patch in frames] == [c for c in counts if c >= 0.01 * counts.sum()]  # type: ignore[attr-defined]


def test_counts_are_those_of_the_summary(runs: list[Run], tables: dict[str, pd.DataFrame]) -> None:
    figure = figures.coset_counts(tables["coset_summary"], milestones(runs))
    assert titles(figure) == ["planted, layer 0", "s3, layer 0", "s3, layer 1"]
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    table = of(tables["coset_summary"], "planted")
    for name in ("S3", "any"):
        rows = table[(table["subgroup"] == name) & (table["operand"] == "either")]
        assert np.asarray(lines[name].get_ydata()).tolist() == rows["n_explained"].tolist()
    assert rows["n_explained"].iloc[-1] >= 35
    assert "_grok_step" in lines
    assert "any subgroup" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_readings_have_a_dot_for_each_neuron_and_shares_that_sum_to_1(
    runs: list[Run], tables: dict[str, pd.DataFrame]
) -> None:
    figure = figures.readings(tables["readings"], milestones(runs))
    scatter, curves = figure.axes[:2]
    final = of(tables["readings"], "planted")
    final = final[final["step"] == 20]
    for line in scatter.lines:
        if str(line.get_label()) in ("irrep", "coset", "neither"):
            rows = final[final["better"] == line.get_label()]
            assert np.asarray(line.get_xdata()) == pytest.approx(rows["irrep_r2"].clip(0), nan_ok=True)
            assert np.asarray(line.get_ydata()) == pytest.approx(rows["coset_r2"].clip(0), nan_ok=True)
    shares = [np.asarray(line.get_ydata()) for line in curves.lines if not str(line.get_label()).startswith("_")]
    assert len(shares) == 3
    assert np.sum(shares, axis=0) == pytest.approx(1)
    figures.readings(of(tables["readings"], "s3"), milestones(runs)).draw_without_rendering()


def test_ablations_have_a_line_per_class_beside_the_control(tables: dict[str, pd.DataFrame]) -> None:
    figure = figures.coset_ablation(tables["coset_ablation"])
    assert titles(figure) == ["planted, layer 0", "s3, layer 1"]
    table = of(tables["coset_ablation"], "planted")
    table = table[(table["step"] == 20) & (table["split"] == "val")]
    for ax, quantity in zip(figure.axes, ("loss", "accuracy"), strict=False):
        drawn = {line.get_label(): np.asarray(line.get_xdata(), dtype=float) for line in ax.lines}
        assert drawn["ablated"] == pytest.approx(table[quantity].to_numpy())
        assert drawn["control"] == pytest.approx(table[f"control_{quantity}"].to_numpy(), nan_ok=True)
        assert drawn["full"] == pytest.approx(table[f"full_{quantity}"].iloc[0])
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0].startswith("S3: 35 (")
    assert labels[-1].startswith("any: ")
    assert [label.get_text() for label in figure.axes[2].get_yticklabels()] == ["no neuron explained"]
    ablated = tables["coset_ablation"]
    figures.coset_ablation(ablated[ablated["split"] == "train"]).draw_without_rendering()


def test_a_neuron_is_drawn_in_the_order_of_its_cosets(runs: list[Run]) -> None:
    table = neuron_grid(runs[0], 0, FIRST + 3)
    figure = figures.neuron_on_grid(table)
    shown = np.asarray(figure.axes[0].collections[0].get_array()).reshape(24, 24)
    blocks = shown.reshape(4, 6, 4, 6)
    assert blocks.std(axis=(1, 3)).max() < 1e-9
    assert figure.axes[0].get_ylabel() == "a, by 4 left cosets of S3"
    assert len(figure.axes[0].lines) == 3 + 3
    with pytest.raises(ValueError, match="draws one neuron of one run; the table has 2"):
        figures.neuron_on_grid(pd.concat([table, neuron_grid(runs[0], 0, 0)]))
    constant = neuron_grid(runs[0], 0, FIRST)  # a function of a alone
    assert figures.neuron_on_grid(constant).axes[0].get_xlabel() == "b"


def test_figures_are_laid_out_without_warnings(
    runs: list[Run], tables: dict[str, pd.DataFrame], recwarn: pytest.WarningsRecorder
) -> None:
    reached = milestones(runs)
    for figure in (
        figures.coset_concentration(tables["coset_matrix"]),
        figures.coset_counts(tables["coset_summary"], reached),
        figures.readings(tables["readings"], reached),
        figures.coset_ablation(coset_ablation(runs)),
        figures.neuron_on_grid(neuron_grid(runs[1], 0, 0)),
    ):
        figure.draw_without_rendering()
    assert not [str(warning.message) for warning in recwarn if "layout" in str(warning.message)]
