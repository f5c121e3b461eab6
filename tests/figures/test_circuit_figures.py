"""Figures of circuits show what their tables hold, for one run or several, frequencies or other irreps."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from grokscope import figures
from grokscope.analysis import milestones, run_all
from grokscope.config import RunConfig, TaskConfig, override
from grokscope.figures.circuit_panels import spread
from grokscope.model import initial_weights
from grokscope.runs import Run
from grokscope.tasks import build_task
from tests.planted import planted_config, planted_weights, write_run

PLANTED = {"k=2": 1.0, "k=3": 1.0}
NAMES = ("keys", "neurons", "restricted_loss", "logit_characters", "circles")


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
    found = [write_run(folder / "planted", config, checkpoints, evaluations(20))]
    small = {"d_model": 8, "n_heads": 2, "d_mlp": 12, "n_layers": 2}
    for name, settings in (
        ("mixed", {"task.name": "mixed", "operations": ("add", "mul"), "modulus": 7}),
        ("s3", {"task.name": "permutation", "task.degree": 3}),
    ):
        config = override(RunConfig(), {**small, **settings})
        start = initial_weights(config.model, build_task(config.task), 0)
        found.append(write_run(folder / name, config, {0: start, 20: start}, evaluations(None)))
    return found


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


def test_characters_are_drawn_with_their_sum(tables: dict) -> None:
    figure = figures.logit_characters(of(tables["logit_characters"], "planted"))
    assert figure.axes[0].get_title(loc="right").startswith("own 100.0%, wrong ")


def test_circles_show_the_key_irreps_of_one_run(tables: dict) -> None:
    figure = figures.embedding_circles(of(tables["circles"], "planted"))
    assert sorted(titles(figure)) == ["k = 2  (50%)", "k = 3  (50%)"]
    points = figure.axes[0].collections[0].get_offsets()
    radius = np.linalg.norm(np.asarray(points), axis=1)
    assert radius == pytest.approx(radius[0])
    with pytest.raises(ValueError, match="draws one run that has key irreps; the table has 0"):
        figures.embedding_circles(of(tables["circles"], "nobody"))


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
