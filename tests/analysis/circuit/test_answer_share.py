"""How much of each site is about the answer: planted networks in closed form, and numpy on a hooked transformer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from grokscope.analysis.checkpoint.parts import PARTS
from grokscope.analysis.circuit.answer_share import answer_share
from grokscope.config import RunConfig, TaskConfig, override
from grokscope.model import initial_weights
from grokscope.tasks import build_task
from tests.analysis.checkpoint.test_parts import by_least_squares
from tests.planted import LINEAR, write_run
from tests.planted_memory import memory_config, memory_weights

PLANTS = {
    "add mod 13": (TaskConfig(name="add", modulus=13), {"k=2": 1.0, "k=3": 1.0}),
    "sub mod 13": (TaskConfig(name="sub", modulus=13), {"k=4": 1.0, "k=6": 1.0}),
    "mul mod 13": (TaskConfig(name="mul", modulus=13), {"k=1": 1.0, "k=4": 1.0}),
    "S4": (TaskConfig(name="permutation", degree=4), {"standard": 1.0}),
}


def shares(table: pd.DataFrame, site: str, split: str, column: str = "share") -> list[float]:
    rows = table[(table["site"] == site) & (table["split"] == split)]
    assert list(rows["part"]) == list(PARTS)
    return rows[column].tolist()


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_network_reads_operands_and_writes_the_answer(tmp_path: Path, plant: str) -> None:
    task, irreps = PLANTS[plant]
    config = memory_config(irreps, task)
    table = answer_share(write_run(tmp_path / "run", config, {0: memory_weights(config, irreps, 0.7, 0.0)}))
    for split in ("all", "train", "val"):
        assert shares(table, "logits", split) == pytest.approx([1.0, 0, 0, 0, 0], abs=1e-9)
        assert shares(table, "logits", split, "median") == pytest.approx([1.0, 0, 0, 0, 0], abs=1e-9)
    # Heads copy a and b, and each has as much variance as the other.
    assert shares(table, "blocks.0.attn_out", "all") == pytest.approx([0.0, 0.5, 0.5, 0, 0], abs=1e-9)
    assert table.loc[table["site"] == "blocks.0.attn_out", "median"].notna().all()


@pytest.mark.parametrize("plant", ["add mod 13", "S4"])
def test_neurons_of_one_pair_have_a_share_of_the_answer_in_closed_form(tmp_path: Path, plant: str) -> None:
    """An indicator of one pair has equal power in all n^2 - 1 directions, n - 1 of them functions of the answer."""
    task, irreps = PLANTS[plant]
    config = memory_config(irreps, task)
    run = write_run(tmp_path / "run", config, {0: memory_weights(config, irreps, 0.7, 0.0)})
    n = run.task.operations[0].group.order
    table = answer_share(run)
    # The median is that of the n^2 look-up neurons; the linear ones are few.
    assert n * n > LINEAR * len(irreps)
    median = shares(table, "blocks.0.mlp.post", "all", "median")
    assert median[:3] == pytest.approx([1 / (n + 1)] * 3, abs=1e-9)
    assert median[:3] == pytest.approx(shares(table, "blocks.0.mlp.post", "all", "chance")[:3], abs=1e-9)


@pytest.mark.parametrize("plant", ["add mod 13", "S4"])
def test_a_look_up_table_is_about_the_answer_on_what_it_knows_and_less_on_all(tmp_path: Path, plant: str) -> None:
    task, irreps = PLANTS[plant]
    config = memory_config(irreps, task)
    run = write_run(tmp_path / "run", config, {0: memory_weights(config, irreps, 0.0, 5.0)})
    table = answer_share(run)
    assert shares(table, "logits", "train") == pytest.approx([1.0, 0, 0, 0, 0], abs=1e-9)
    group = run.task.operations[0].group
    n = group.order
    train, _ = run.task.split(0.5, 0)
    logits = np.zeros((n * n, n))
    logits[train, group.table.flatten()[train]] = 5.0
    logits -= logits.mean(1, keepdims=True)
    parts = by_least_squares(group, np.ones((n, n), dtype=bool), logits).sum(1)
    assert shares(table, "logits", "all") == pytest.approx(list(parts / parts.sum()), abs=1e-9)
    assert parts[0] / parts.sum() < 0.75


@pytest.mark.parametrize("task", [{"name": "mul", "modulus": 7}, {"name": "permutation", "degree": 3}])
def test_every_site_agrees_with_least_squares_on_a_hooked_transformer(tmp_path: Path, task: dict) -> None:
    settings = {f"task.{key}": value for key, value in task.items()}
    config = override(
        RunConfig(), {**settings, "n_layers": 2, "d_model": 8, "n_heads": 2, "d_mlp": 16, "dtype": "float64"}
    )
    built = build_task(config.task)
    run = write_run(tmp_path / "run", config, {0: initial_weights(config.model, built, 0)})
    table = answer_share(run)
    assert table["basis"].unique().tolist() == ["own"]
    operation = built.operations[0]
    x, y = built.operand_positions
    left, right = operation.left[built.tokens[:, x]], operation.right[built.tokens[:, y]]
    inside = np.flatnonzero((left >= 0) & (right >= 0))
    n = operation.group.order
    place = np.empty(n * n, dtype=int)  # the example at each pair of elements
    place[left[inside] * n + right[inside]] = inside
    train, _ = built.split(0.5, 0)
    is_train = np.isin(place, train.numpy()).reshape(n, n)
    with torch.no_grad():
        _, cache = run.model(0).run_with_cache(built.tokens[torch.from_numpy(place)])
    hooks = {"attn_out": "hook_attn_out", "mlp.post": "mlp.hook_post", "resid_post": "hook_resid_post"}
    values = {
        f"blocks.{layer}.{site}": cache[f"blocks.{layer}.{hook}"][:, -1].numpy()
        for layer in range(2)
        for site, hook in hooks.items()
    }
    answers = np.flatnonzero(operation.answer >= 0)
    with torch.no_grad():
        logits = run.model(0)(built.tokens[torch.from_numpy(place)])[:, -1].numpy()[:, answers]
    values["logits"] = logits - logits.mean(1, keepdims=True)
    assert set(table["site"]) == set(values)
    for site, x_of in values.items():
        for split, pairs in (("all", is_train | True), ("train", is_train), ("val", ~is_train)):
            parts = by_least_squares(operation.group, pairs, x_of)
            assert shares(table, site, split) == pytest.approx(parts.sum(1) / parts.sum(), abs=1e-7), (site, split)
            median = np.median(parts / parts.sum(0), axis=1)
            assert shares(table, site, split, "median") == pytest.approx(median, abs=1e-7), (site, split)
    assert table.groupby(["site", "split"])["share"].sum().to_numpy() == pytest.approx(1.0)


def test_untrained_networks_are_about_their_operands_and_not_about_the_answer(tmp_path: Path) -> None:
    config = override(RunConfig(), {"modulus": 23, "n_layers": 1, "d_model": 32, "n_heads": 2, "d_mlp": 64})
    task = build_task(config.task)
    table = answer_share(
        write_run(tmp_path / "run", config, {s: initial_weights(config.model, task, s) for s in range(5)})
    )
    logits = table[(table["site"] == "logits") & (table["split"] == "all")].pivot(
        index="step", columns="part", values="share"
    )
    assert (logits["answer"] < 2 / 23).all()
    assert (logits["left"] + logits["right"] > 0.5).all()
