"""Onsets: between which checkpoints something became so for good, and how long before the grok."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grokscope.analysis.circuit.embedding_overlap import embedding_overlap
from grokscope.analysis.circuit.onset import THRESHOLDS, first_beyond, held_from, onset
from grokscope.config import RunConfig, TaskConfig, override
from grokscope.model import initial_weights, is_buffer
from grokscope.tasks import build_task
from tests.planted import planted_config, planted_weights, write_run
from tests.planted_memory import memory_config, memory_weights


@pytest.mark.parametrize(
    ("holds", "expected"),
    [
        ([0, 0, 1, 1], (10, 20)),
        ([0, 1, 0, 1], (20, 30)),  # what does not last does not count
        ([1, 1, 1, 1], (None, 0)),
        ([1, 1, 1, 0], (None, None)),
        ([0, 0, 0, 0], (None, None)),
    ],
)
def test_an_onset_lies_between_two_checkpoints_and_holds(holds: list[int], expected: tuple) -> None:
    assert held_from([0, 10, 20, 30], np.array(holds, dtype=bool)) == expected


@pytest.mark.parametrize(
    ("values", "threshold", "below", "expected"),
    [
        ([4.0, 3.0, 0.9, 0.0], 1.0, True, (10, 20)),
        ([4.0, 0.9, 3.9, 0.0], 1.0, True, (0, 10)),  # a later spike does not undo a fall
        ([0.5, 0.5, 0.5, 0.5], 1.0, True, (None, 0)),
        ([4.0, 3.7, 1.0, 1.0], 1.0, True, (None, None)),  # at the threshold is not below it
        ([0.1, 0.96, 0.5, 1.0], 0.95, False, (0, 10)),
        ([0.1, 0.2, np.nan, 0.95], 0.95, False, (None, None)),
        ([np.nan] * 4, 1.0, True, (None, None)),
    ],
)
def test_a_level_is_passed_the_first_time(values: list[float], threshold: float, below: bool, expected: tuple) -> None:
    assert first_beyond([0, 10, 20, 30], np.array(values), threshold, below=below) == expected


def test_a_circuit_that_is_mixed_in_has_its_onset_where_its_power_passes_the_null(tmp_path: Path) -> None:
    irreps = {"k=2": 1.0, "k=3": 1.0}
    config = planted_config(irreps, TaskConfig(name="add", modulus=13))
    planted = planted_weights(config, irreps, 0.2)
    untrained = initial_weights(config.model, build_task(config.task), 0)
    mix = {0: 0.0, 100: 0.1, 200: 0.9, 300: 1.0}
    checkpoints = {
        step: {k: v if is_buffer(k) else share * v + (1 - share) * untrained[k] for k, v in planted.items()}
        for step, share in mix.items()
    }
    evaluations = [
        {"step": s, "train_accuracy": 1.0, "val_accuracy": float(s >= 240), "train_loss": 0.0, "val_loss": 0.0}
        for s in range(0, 310, 10)
    ]
    table = onset(write_run(tmp_path / "run", config, checkpoints, evaluations))
    power = table[table["quantity"] == "power"]
    assert set(power["irrep"]) == set(irreps)
    assert set(power["frequency"]) == {2, 3}
    assert (power["after"] == 100).all()
    assert (power["by"] == 200).all()
    assert (power["grok_step"] == 240).all()
    assert (power["lead_least"] == 40).all()
    assert (power["lead_most"] == 140).all()
    passed = table[table["quantity"] != "power"].set_index(["quantity", "level", "split", "threshold"])
    assert set(passed.index.get_level_values("quantity")) == set(THRESHOLDS)
    assert len(passed) == 7 * 2 * 3
    for level in ("logits", "neurons"):
        # A tenth of the planted network answers nothing; the whole of it answers all.
        assert passed.loc[("restricted_accuracy", level, "val", 0.95), "by"] in (200, 300)
    late = passed.loc[("full_loss", "logits", "val", 0.1)]
    assert pd.isna(late["by"])  # planted with a small gain: right, with a loss that stays high
    assert late["note"] == "it is never below 0.1"
    assert (table.loc[table["by"].notna(), "note"] == "").all()


def test_a_look_up_table_has_no_onset_of_the_answer(tmp_path: Path) -> None:
    """Its training loss falls, and what it makes of the answer on unseen pairs does not."""
    irreps = {"k=2": 1.0, "k=3": 1.0}
    config = memory_config(irreps, TaskConfig(name="add", modulus=13))
    heights = {0: 0.0, 100: 3.0, 200: 12.0}  # of 15 outputs: losses log(1 + 14 exp(-height)) = 2.7, 0.53 and 1e-4
    run = write_run(tmp_path / "run", config, {s: memory_weights(config, irreps, 0.0, h) for s, h in heights.items()})
    table = onset(run)
    learnt = table[(table["quantity"] == "full_loss") & (table["split"] == "train") & (table["level"] == "logits")]
    assert learnt.set_index("threshold")["by"].to_dict() == {3.0: 0, 1.0: 100, 0.1: 200}
    answer = table[table["quantity"].isin(["restricted_loss", "restricted_accuracy"]) & (table["threshold"] < 2)]
    assert answer["by"].isna().all()
    assert answer["note"].str.contains("it is never").all()
    assert answer["note"].str.contains("the run has not grokked").all()


def test_subspaces_of_one_plane_overlap_and_of_orthogonal_planes_do_not(tmp_path: Path) -> None:
    config = override(
        RunConfig(),
        {"task.name": "mixed", "operations": ("add", "mul"), "modulus": 31, "d_model": 16, "n_heads": 2, "d_mlp": 8},
    )
    task = build_task(config.task)
    add, mul = task.operations
    for name, columns, expected in (("apart", slice(2, 4), 0.0), ("same", slice(0, 2), 1.0)):
        weights = initial_weights(config.model, task, 0)
        table = np.zeros((task.d_vocab, 16))
        table[:31, :2] += add.group.irrep("k=3").matrices[:, 0]
        inside = mul.left >= 0
        table[inside, columns] += mul.group.irrep("k=4").matrices[mul.left[inside], 0]
        weights["embed.W_E"] = weights["embed.W_E"] * 0.001
        weights["embed.W_E"] += weights["embed.W_E"].new_tensor(table)
        overlap = embedding_overlap(write_run(tmp_path / name, config, {0: weights}))
        overlap = overlap[overlap["set"] == "key"]
        assert overlap["mean_square"].iloc[0] == pytest.approx(expected, abs=1e-3)
        assert overlap["angle"].tolist() == [1, 2]
        assert overlap["random_mean_square"].tolist() == [2 / 16] * 2
