"""Measures of clock and pizza on networks whose values are known, and gradients against autograd example by example."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from grokscope.analysis.checkpoint.checkpoint import RunContext
from grokscope.analysis.circuit.clock_pizza import TRIPLES, circularity, clock_pizza, distance_irrelevance
from grokscope.config import RunConfig, TaskConfig, override
from grokscope.groups import CyclicGroup, SymmetricGroup
from grokscope.model import initial_weights
from grokscope.tasks import build_task
from tests.planted import planted_config, planted_weights, write_run

GROUP = CyclicGroup(13)
A, B = np.meshgrid(np.arange(13), np.arange(13), indexing="ij")


def test_a_logit_that_depends_on_the_distance_alone_is_a_pizza() -> None:
    pizza = np.abs(np.cos(np.pi * 3 * (A - B) / 13))
    assert distance_irrelevance(pizza, GROUP) == pytest.approx(0.0, abs=1e-12)


def test_a_logit_that_depends_on_the_product_alone_does_not_see_the_distance() -> None:
    clock = np.cos(2 * np.pi * (A + B) / 13)
    assert distance_irrelevance(clock, GROUP) == pytest.approx(1.0)


def test_a_perfect_clock_has_one_correct_logit_and_says_so() -> None:
    assert distance_irrelevance(np.full((13, 13), 4.0), GROUP) is None


def test_the_distance_of_a_group_is_a_times_the_inverse_of_b() -> None:
    group = SymmetricGroup(3)
    by_distance = np.arange(6.0)[group.table[:, group.inverse]]
    assert distance_irrelevance(by_distance, group) == pytest.approx(0.0, abs=1e-12)


def test_circles_are_circular_and_noise_is_not() -> None:
    x = 2 * np.pi * np.arange(97) / 97
    circles = np.stack([3 * np.cos(5 * x), 3 * np.sin(5 * x), np.cos(9 * x), np.sin(9 * x)], axis=1)
    group = CyclicGroup(97)
    assert circularity(circles + 7.0, group) == pytest.approx(1.0)
    assert circularity(np.random.default_rng(0).normal(size=(97, 128)), group) < 0.3  # type: ignore[operator]
    assert circularity(np.ones((97, 3)), group) is None


def test_pairs_without_an_answer_count_for_nothing() -> None:
    logits = np.random.default_rng(0).normal(size=(13, 13))
    logits[:, 4] = np.nan
    whole = distance_irrelevance(logits, GROUP)
    spread = [logits[np.equal((A - B) % 13, d)] for d in range(13)]
    expected = np.mean([values[~np.isnan(values)].std() for values in spread]) / logits[~np.isnan(logits)].std()
    assert whole == pytest.approx(expected)


@pytest.mark.parametrize("basis", ["own", "wrong"])
def test_gradient_symmetricity_is_the_mean_over_triples_taken_one_by_one(tmp_path: Path, basis: str) -> None:
    config = override(RunConfig(), {"modulus": 7, "d_model": 8, "n_heads": 2, "d_mlp": 12, "dtype": "float64"})
    task = build_task(config.task)
    run = write_run(tmp_path / "run", config, {0: initial_weights(config.model, task, 0)})
    frame = next(frame for frame in RunContext(run).frames if frame.basis == basis)
    model = run.model(0)
    a, b, c = np.random.default_rng(0).integers({"own": 6, "wrong": 7}[basis], size=(3, TRIPLES))
    cosines = []
    for i in range(TRIPLES):
        tokens = task.tokens[0].clone()
        x, y = task.operand_positions
        tokens[x], tokens[y] = int(frame.left[a[i]]), int(frame.right[b[i]])
        held = {}

        def hold(value: torch.Tensor, hook: object, held: dict = held) -> torch.Tensor:
            held["embed"] = value.detach().requires_grad_()
            return held["embed"]

        logits = model.run_with_hooks(tokens[None], fwd_hooks=[("hook_embed", hold)])[0, -1]
        (gradient,) = torch.autograd.grad(logits[int(frame.answer[c[i]])], held["embed"])
        cosines.append(float(torch.cosine_similarity(gradient[0, x], gradient[0, y], dim=0)))
    row = clock_pizza(run).set_index("basis").loc[basis]
    assert row["gradient_symmetricity"] == pytest.approx(np.mean(cosines), abs=1e-9)


def test_a_planted_clock_is_called_one(tmp_path: Path) -> None:
    irreps = {"k=2": 1.0, "k=3": 0.8}
    config = planted_config(irreps, TaskConfig(name="add", modulus=13))
    row = clock_pizza(write_run(tmp_path / "run", config, {0: planted_weights(config, irreps)})).iloc[0]
    assert row["circularity"] == pytest.approx(1.0)
    assert np.isnan(row["distance_irrelevance"])
    assert row["note"] == "the correct logit is the same at all pairs"
