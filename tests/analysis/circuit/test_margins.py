"""Signal, memory and noise of networks: planted ones in closed form, any other against a hooked transformer."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from grokscope.analysis.circuit.margins import margin_onset, margins
from grokscope.config import RunConfig, TaskConfig, override
from grokscope.model import initial_weights, is_buffer
from grokscope.probes.margins import MARGINS, answer_margins
from grokscope.runs import Run
from grokscope.tasks import build_task
from tests.planted import write_run
from tests.planted_memory import memory_config, memory_weights

GAIN, HEIGHT = 0.7, 5.0
PLANTS = {
    "add mod 13": (TaskConfig(name="add", modulus=13), {"k=2": 1.0, "k=3": 1.0}),
    "S4": (TaskConfig(name="permutation", degree=4), {"standard": 1.0}),
}
NETWORKS = {"exact": (GAIN, 0.0), "look-up": (0.0, HEIGHT), "both": (GAIN, HEIGHT)}


def planted(folder: Path, plant: str, checkpoints: dict[int, tuple[float, float]], **evaluations: object) -> Run:
    task, irreps = PLANTS[plant]
    config = memory_config(irreps, task)
    weights = {step: memory_weights(config, irreps, *sizes) for step, sizes in checkpoints.items()}
    return write_run(folder / "run", config, weights, **evaluations)


def lead(plant: str) -> float:
    """Of the right answer, from the group alone."""
    task, irreps = PLANTS[plant]
    group = build_task(task).operations[0].group
    logits = sum(GAIN * w**2 * group.irrep(name).dim * group.irrep(name).character for name, w in irreps.items())
    return float(logits[group.identity] - np.delete(logits, group.identity).max())


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("plant", PLANTS)
def test_planted_networks_have_the_signal_and_memory_that_were_planted(
    tmp_path: Path, plant: str, network: str
) -> None:
    gain, height = NETWORKS[network]
    run = planted(tmp_path, plant, {0: (gain, height)})
    row = margins(run).iloc[0]
    n = run.task.n_answers
    signal = lead(plant) if gain else 0.0
    assert row["signal"] == pytest.approx(signal, abs=1e-9)
    assert row["memory"] == pytest.approx(height * (1 - 1 / n), abs=1e-9)
    assert row["noise_train"] == pytest.approx(height * math.sqrt(n - 1) / n, abs=1e-9)
    assert row["noise_val"] == pytest.approx(0.0, abs=1e-9)
    assert row["memory_share"] == pytest.approx(height / (height + signal), abs=1e-9)
    assert row["train_margin"] == pytest.approx(height + signal, abs=1e-9)
    assert row["val_margin"] == pytest.approx(signal, abs=1e-9)
    assert row["train_accuracy"] == 1.0
    assert (row["val_accuracy"] == 1.0) == (gain > 0)
    train, val = run.task.split(0.5, 0)
    held = len(train) * row["pooled_memory_train"] + len(val) * row["pooled_memory_val"]
    assert held == pytest.approx(0.0, abs=1e-9)


def small(name: str, **task: object) -> RunConfig:
    settings = {"task.name": name, "modulus": 7, "n_layers": 1, "d_model": 8, "n_heads": 2, "d_mlp": 16, **task}
    return override(RunConfig(), {"dtype": "float64", "bits": 5, **settings})


@pytest.mark.parametrize(
    "config",
    [
        small("mul"),
        small("square_sub"),
        small("mixed", operations=("add", "mul", "square_sub")),
        small("parity"),
        small("permutation", degree=3),
    ],
    ids=lambda config: config.task.name,
)
def test_every_task_is_read_as_a_hooked_transformer_answers_it(tmp_path: Path, config: RunConfig) -> None:
    """Through the grid of pairs, through the engine, or some operations each way."""
    task = build_task(config.task)
    run = write_run(tmp_path / "run", config, {0: initial_weights(config.model, task, 1)})
    table = margins(run).set_index("operation")
    with torch.no_grad():
        logits = run.model(0)(task.tokens)[:, -1]
    train, _ = task.split(config.task.train_fraction, config.seed)
    trained = torch.zeros(task.n_examples, dtype=torch.bool)
    trained[train] = True
    parts = {o.name: torch.from_numpy(o.examples) for o in task.operations} or {task.name: torch.arange(32)}
    assert list(table.index) == list(parts)
    for operation, examples in parts.items():
        expected = answer_margins(logits[examples, : task.n_answers], task.labels[examples], trained[examples])
        assert table.loc[operation, list(MARGINS)].to_dict() == pytest.approx(expected, abs=1e-9, nan_ok=True)
        right = logits[examples].argmax(1) == task.labels[examples]
        assert table.loc[operation, "val_accuracy"] == pytest.approx(right[~trained[examples]].double().mean())
        assert table.loc[operation, "train_accuracy"] == pytest.approx(right[trained[examples]].double().mean())


def test_untrained_networks_have_neither_signal_nor_memory(tmp_path: Path) -> None:
    config = override(RunConfig(), {"modulus": 23, "n_layers": 1, "d_model": 32, "n_heads": 2, "d_mlp": 64})
    task = build_task(config.task)
    run = write_run(tmp_path / "run", config, {s: initial_weights(config.model, task, s) for s in range(20)})
    table = margins(run)
    spread = table["noise_val"].mean()
    assert abs(table["memory"].mean()) < 0.05 * spread
    # A sum of functions of a and of b: its mean over an answer's other pairs leans away from the pair.
    assert 0 < table["signal"].mean() < 0.5 * spread
    assert (table["signal"].abs() < 0.1).all()
    # Whereas the rivals that all answers share would be far ahead.
    assert (table["offset"] > 2 * table["noise_val"]).mean() > 0.5


def test_onsets_are_where_signal_passes_one_nat_and_memory_half_of_its_peak(tmp_path: Path) -> None:
    one = 1.0 / lead("add mod 13")  # of the gain that is planted
    sizes = {0: (0.0, 0.0), 100: (0.0, 4.0), 200: (0.9 * one, 8.0), 300: (1.1 * one, 5.0), 400: (one * 3, 3.0)}
    run = planted(
        tmp_path,
        "add mod 13",
        {step: (gain * GAIN, height) for step, (gain, height) in sizes.items()},
        evaluations=[
            {"step": s, "train_accuracy": 1.0, "val_accuracy": float(s >= 350), "train_loss": 0.0, "val_loss": 0.0}
            for s in range(0, 410, 10)
        ],
    )
    row = margin_onset(run).iloc[0]
    assert row["operation"] == "add"
    assert (row["signal_by"], row["memory_peak_step"], row["memory_halved_by"]) == (300, 200, 400)
    assert row["memory_peak"] == pytest.approx(8.0 * 12 / 13)
    assert (row["grok_step"], row["signal_lead"]) == (350, 50)


def test_an_onset_that_never_was_is_missing(tmp_path: Path) -> None:
    row = margin_onset(planted(tmp_path, "add mod 13", {0: (0.0, 0.0), 100: (0.0, 6.0)})).iloc[0]
    assert row["memory_peak_step"] == 100
    for column in ("signal_by", "memory_halved_by", "grok_step", "signal_lead"):
        assert pd.isna(row[column]), column


def test_a_network_whose_trained_examples_are_not_known_has_a_signal_alone(tmp_path: Path) -> None:
    config = override(memory_config(PLANTS["add mod 13"][1], PLANTS["add mod 13"][0]), {"train_indices": ()})
    weights = memory_weights(config, PLANTS["add mod 13"][1], GAIN, 0.0)
    run = write_run(tmp_path / "run", config, {0: weights, 10: weights})
    table = margins(run)
    assert table["signal"].to_numpy() == pytest.approx(lead("add mod 13"))
    assert table[["memory", "memory_share", "train_accuracy"]].isna().all(axis=None)
    onset = margin_onset(run).iloc[0]
    assert onset["signal_by"] == 0
    assert pd.isna(onset["memory_peak_step"])


def test_scaling_a_linear_head_scales_all_of_it(tmp_path: Path) -> None:
    """What a clip of the unembedding does: signal, memory and noise fall alike, and the share of memory stays."""
    irreps = PLANTS["add mod 13"][1]
    config = memory_config(irreps, PLANTS["add mod 13"][0])
    weights = memory_weights(config, irreps, GAIN, HEIGHT)
    noisy = {
        name: value if is_buffer(name) else value + 0.02 * torch.randn(value.shape, dtype=value.dtype)
        for name, value in weights.items()
    }
    half = {name: value / 2 if name.startswith("unembed") else value for name, value in noisy.items()}
    table = margins(write_run(tmp_path / "run", config, {0: noisy, 10: half}))
    for column in ("signal", "memory", "noise_train", "noise_val"):
        assert table[column].iloc[1] == pytest.approx(table[column].iloc[0] / 2), column
    assert table["memory_share"].iloc[1] == pytest.approx(table["memory_share"].iloc[0])
