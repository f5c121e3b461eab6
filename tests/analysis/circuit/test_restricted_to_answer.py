"""Restricted to every function of the answer, and to all characters: who answers by what; look-up tables by neither."""

from __future__ import annotations

from itertools import product
from math import log
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from grokscope.analysis.circuit.restricted import READINGS, reading_that_holds, restricted_loss
from grokscope.config import RunConfig, TaskConfig, override
from grokscope.model import Weights, initial_weights
from grokscope.runs import Run
from grokscope.tasks import build_task
from tests.planted import write_run
from tests.planted_memory import memory_config, memory_weights

PLANTS = {
    "add mod 13": (TaskConfig(name="add", modulus=13), {"k=2": 1.0, "k=3": 1.0}),
    "S4": (TaskConfig(name="permutation", degree=4), {"standard": 1.0}),
}
LEVELS = ("logits", "neurons")


def sets_of(run: Run) -> pd.DataFrame:
    table = restricted_loss(run)
    return table[table["set"].isin(["characters", "answer"])]


def planted(folder: Path, plant: str, gain: float, height: float) -> Run:
    task, irreps = PLANTS[plant]
    config = memory_config(irreps, task)
    return write_run(folder / "run", config, {0: memory_weights(config, irreps, gain, height)})


@pytest.mark.parametrize("plant", PLANTS)
def test_an_exact_network_is_what_it_makes_of_the_answer(tmp_path: Path, plant: str) -> None:
    run = planted(tmp_path, plant, 0.7, 0.0)
    table = sets_of(run)
    n_outputs = run.weights(0)["unembed.W_U"].shape[1]
    places = set(zip(table["set"], table["level"], table["split"], strict=True))
    assert places == set(product(("characters", "answer"), LEVELS, ("train", "val", "all")))
    assert table["restricted_loss"].to_numpy() == pytest.approx(table["full_loss"].to_numpy(), abs=1e-9)
    assert table["excluded_loss"].to_numpy() == pytest.approx(log(n_outputs), abs=1e-9)
    assert (table["restricted_accuracy"] == 1).all()
    assert (table["full_accuracy"] == 1).all()
    assert table["irrep"].isna().all()


@pytest.mark.parametrize("plant", PLANTS)
def test_a_look_up_table_makes_nothing_of_the_answer(tmp_path: Path, plant: str) -> None:
    run = planted(tmp_path, plant, 0.0, 6.0)
    table = sets_of(run)
    n_outputs = run.weights(0)["unembed.W_U"].shape[1]
    assert table["restricted_loss"].to_numpy() == pytest.approx(log(n_outputs), abs=1e-9)
    assert table["excluded_loss"].to_numpy() == pytest.approx(table["full_loss"].to_numpy(), abs=1e-9)
    train = table[table["split"] == "train"]
    assert (train["full_accuracy"] == 1).all()
    assert (train["restricted_accuracy"] < 0.2).all()
    # The pairs that it knows raise the right answer of all in the mean over all pairs.
    readings = reading_that_holds(restricted_loss(run)).set_index(["level", "split"])["reading"]
    assert readings["logits", "train"] == "none"


def with_heights(weights: Weights, heights: np.ndarray, right: float) -> Weights:
    """Every answer's logit from equal detectors, times its height, and lowered so that it is 0 where it is right.

    Arguments:
        right: what a detector gives at the right answer.
    """
    n, scaled = len(heights), weights["unembed.W_U"].clone()
    scaled[:, :n] *= torch.from_numpy(heights / right)
    bias = torch.full_like(weights["unembed.b_U"], -100.0)  # no other output is ever given
    bias[:n] = -torch.from_numpy(heights)
    return {**weights, "unembed.W_U": scaled, "unembed.b_U": bias}


def test_answers_with_heights_of_their_own_are_read_by_the_answer_alone(tmp_path: Path) -> None:
    """One coefficient for an irrep is too few; the key irreps are known, and their characters explain too little.

    A detector gives sum_k 4 cos(2 pi k x / 13), k = 1 .. 5, which is 20 at x = 0 and at most 2 elsewhere. The right
    answer has the logit 0 and another, c, at most -0.9 h(c), so all are right. With one height for all, the mean, the
    right answer has mean - h(g): one that is higher than the mean loses to the low ones.
    """
    task, _ = PLANTS["add mod 13"]
    irreps = {f"k={k}": 1.0 for k in range(1, 6)}
    config = override(memory_config(irreps, task), {"unembed_bias": True})
    heights = np.linspace(2.4, 20.0, 13)
    weights = with_heights(memory_weights(config, irreps, 1.0, 0.0), heights, right=20.0)
    run = write_run(tmp_path / "run", config, {0: weights})
    table = restricted_loss(run)
    own = table[(table["basis"] == "own") & (table["split"] == "val")].set_index(["level", "set"])
    full = own["full_loss"].iloc[0]
    assert own.loc[("logits", "answer"), "restricted_loss"] == pytest.approx(full, abs=1e-9)
    assert own.loc[("logits", "characters"), "restricted_loss"] > full + 0.2
    assert own.loc[("logits", "key"), "restricted_loss"] > full + 0.2
    # In the neurons the key irreps are all there is.
    assert own.loc[("neurons", "key"), "restricted_loss"] == pytest.approx(full, abs=1e-9)
    readings = reading_that_holds(table).set_index(["level", "split"])
    assert readings.loc[("logits", "val"), "reading"] == "answer"
    assert readings.loc[("neurons", "val"), "reading"] == "key"
    assert list(readings.columns[-4:]) == [*READINGS, "reading"]
    assert (readings["answer"] <= readings["full_loss"] + 1e-9).all()


def by_hand(run: Run, level: str) -> pd.DataFrame:
    """The definitions on a hooked transformer, a pair at a time."""
    task, operation = run.task, run.task.operations[0]
    n, table = operation.group.order, operation.group.table
    x, y = task.operand_positions
    left, right = operation.left[task.tokens[:, x]], operation.right[task.tokens[:, y]]
    inside = np.flatnonzero((left >= 0) & (right >= 0))
    answers = table[left[inside], right[inside]]
    train, _ = task.split(run.config.task.train_fraction, run.config.seed)
    unseen = ~np.isin(inside, train.numpy())
    model = run.model(0)
    with torch.no_grad():
        logits, cache = model.run_with_cache(task.tokens[torch.from_numpy(inside)])
    logits, last = logits[:, -1], f"blocks.{run.config.model.n_layers - 1}"
    values = logits
    if level == "neurons":
        values = cache[f"{last}.mlp.hook_post"][:, -1] @ model.state_dict()[f"{last}.mlp.W_out"]
    resid = cache[f"{last}.hook_resid_post"][:, -1]

    def mean(g: int, without: int | None = None) -> torch.Tensor:
        some = [e for e in np.flatnonzero((answers == g) & unseen) if e != without]
        return values[some].mean(0) if some else torch.full_like(values[0], torch.nan)

    middle = torch.stack([mean(g) for g in range(n)]).nanmean(0)
    of_resid = [resid[some].mean(0) for g in range(n) if len(some := np.flatnonzero((answers == g) & unseen))]
    resid_middle = torch.stack(of_resid).mean(0)

    def head(r: torch.Tensor) -> torch.Tensor:
        return model.unembed(model.ln_final(r[None, None]))[0, 0] if hasattr(model, "ln_final") else model.unembed(r)

    labels, rows = task.labels[torch.from_numpy(inside)], []
    for e, g in enumerate(answers):
        kept = mean(g, e) - middle
        if level == "logits":
            alone, without = middle + kept, logits[e] - kept
        else:
            alone, without = head(resid_middle + kept), head(resid[e] - kept)
        loss, excluded = (float(F.cross_entropy(z[None], labels[e : e + 1])) for z in (alone, without))
        right_one = float(alone.argmax() == labels[e]) if not alone.isnan().any() else np.nan
        rows.append({"split": "val" if unseen[e] else "train", "loss": loss, "excluded": excluded, "right": right_one})
    return pd.DataFrame(rows)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("task", [{"name": "mul", "modulus": 7}, {"name": "permutation", "degree": 3}])
def test_any_network_agrees_with_a_hooked_transformer_a_pair_at_a_time(tmp_path: Path, task: dict, level: str) -> None:
    settings = {f"task.{key}": value for key, value in task.items()}
    config = override(
        RunConfig(), {**settings, "n_layers": 2, "d_model": 8, "n_heads": 2, "d_mlp": 16, "dtype": "float64"}
    )
    run = write_run(tmp_path / "run", config, {0: initial_weights(config.model, build_task(config.task), 0)})
    table = restricted_loss(run)
    answer = table[(table["set"] == "answer") & (table["level"] == level)].set_index("split")
    expected = by_hand(run, level)
    for split in ("train", "val", "all"):
        of_split = expected if split == "all" else expected[expected["split"] == split]
        assert answer.loc[split, "restricted_loss"] == pytest.approx(of_split["loss"].mean(), abs=1e-9)
        assert answer.loc[split, "excluded_loss"] == pytest.approx(of_split["excluded"].mean(), abs=1e-9)
        assert answer.loc[split, "restricted_accuracy"] == pytest.approx(of_split["right"].mean(), abs=1e-9)


def test_characters_are_those_of_the_unseen_means(tmp_path: Path) -> None:
    """Least squares on the characters, a design of one column for each irrep."""
    config = override(
        RunConfig(), {"task.name": "add", "modulus": 7, "n_layers": 1, "d_model": 8, "n_heads": 2, "d_mlp": 16}
    )
    config = override(config, {"dtype": "float64", "output": "answers"})
    run = write_run(tmp_path / "run", config, {0: initial_weights(config.model, build_task(config.task), 3)})
    task, group = run.task, run.task.operations[0].group
    with torch.no_grad():
        logits = run.model(0)(task.tokens)[:, -1].numpy()
    train, _ = task.split(0.5, 0)
    unseen = ~np.isin(np.arange(49), train.numpy())
    labels = task.labels.numpy()
    s = np.stack([logits[(labels == g) & unseen].mean(0) for g in range(7)])
    centred = s - s.mean(1, keepdims=True)
    design = np.stack([rho.character[group.table[:, group.inverse]].ravel() for rho in group.irreps[1:]], axis=1)
    fitted = (design @ np.linalg.lstsq(design, centred.ravel(), rcond=None)[0]).reshape(7, 7)
    restricted = s.mean(0) + fitted
    losses = F.cross_entropy(torch.from_numpy(restricted[labels]), task.labels, reduction="none").numpy()
    table = restricted_loss(run)
    rows = table[(table["set"] == "characters") & (table["level"] == "logits")].set_index("split")
    assert rows.loc["val", "restricted_loss"] == pytest.approx(losses[unseen].mean())
    assert rows.loc["train", "restricted_loss"] == pytest.approx(losses[~unseen].mean())
    excluded = F.cross_entropy(torch.from_numpy(logits - fitted[labels]), task.labels, reduction="none").numpy()
    assert rows.loc["all", "excluded_loss"] == pytest.approx(excluded.mean())


def test_without_unseen_pairs_there_is_nothing_to_restrict_to(tmp_path: Path) -> None:
    task, irreps = PLANTS["add mod 13"]
    config = override(memory_config(irreps, task), {"train_indices": tuple(range(169))})
    run = write_run(tmp_path / "run", config, {0: memory_weights(config, irreps, 0.7, 0.0)})
    table = restricted_loss(run)
    assert set(table["split"]) == {"train", "all"}
    of_answer = table["set"].isin(["characters", "answer"])
    assert table.loc[of_answer, ["restricted_loss", "restricted_accuracy"]].isna().all(axis=None)
    assert table.loc[~of_answer, "restricted_loss"].notna().all()
    assert (reading_that_holds(table).query("level == 'logits'")["reading"] == "key").all()
