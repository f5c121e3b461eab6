"""The local learning coefficient of a run against a plain SGLD on its HookedTransformer; what is flagged."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from grokscope.analysis import learning_coefficient
from grokscope.analysis.dynamics.learning_coefficient import flag_sensitive
from grokscope.model import trained_names


def test_it_agrees_with_a_plain_sgld_on_the_hooked_transformer(write_run):
    run = write_run(dtype="float64", normalization="none", every=300)
    epsilon, gamma, draws, burn_in = 1e-4, 10.0, 12, 3
    settings = {"epsilons": [epsilon], "gammas": [gamma], "draws": draws, "burn_in": burn_in, "chains": 1}
    found = learning_coefficient(run, 1, **settings, batch_size=None, seed=5).iloc[0]

    model = run.model(-1).double()
    train, _ = run.task.split(run.config.task.train_fraction, run.config.seed)
    tokens, labels, n = run.task.tokens[train], run.task.labels[train], len(train)
    chosen = [p for k, p in model.named_parameters() if k in trained_names(run.weights(-1), run.config.model)]

    def loss_at(w: torch.Tensor) -> tuple[float, torch.Tensor]:
        with torch.no_grad():
            vector_to_parameters(w, chosen)
        loss = F.cross_entropy(model(tokens)[:, -1], labels)
        gradient = torch.cat([part.reshape(-1) for part in torch.autograd.grad(loss, chosen)])
        return float(loss.detach()), gradient

    start = parameters_to_vector([p.detach() for p in chosen]).clone()
    noise = torch.Generator().manual_seed(5 * 1_000_003)
    w, losses = start.clone(), []
    for _ in range(draws + burn_in):
        loss, gradient = loss_at(w)
        losses.append(loss)
        step = n / np.log(n) * gradient + gamma * (w - start)
        w = w - epsilon / 2 * step + np.sqrt(epsilon) * torch.randn(len(w), generator=noise, dtype=torch.float64)
    expected = n / np.log(n) * (np.mean(losses[burn_in:]) - losses[0])
    assert found["learning_coefficient"] == pytest.approx(expected, rel=1e-6)
    assert (found["n"], found["parameters"], found["step"]) == (n, len(start), 600)
    assert found["loss"] == pytest.approx(losses[0])
    assert found["relaxation"] == pytest.approx(epsilon * gamma * burn_in / 2)
    assert pd.isna(found["sensitive"])  # one epsilon shows nothing


def test_the_grid_is_whole_repeats_and_flags_a_walk_that_diverges(write_run):
    run = write_run(every=300)
    settings = {"epsilons": [1e-5, 1e6], "gammas": [1.0, 10.0], "draws": 5, "burn_in": 2, "batch_size": 4}
    table = learning_coefficient(run, 2, **settings)
    assert len(table) == 2 * 2 * 2
    assert table["step"].unique().tolist() == [0, 600]
    wild = table[table["epsilon"] == 1e6]
    assert wild["sensitive"].all()
    twin = learning_coefficient(write_run("twin", every=300), 2, **settings)
    np.testing.assert_array_equal(twin["learning_coefficient"], table["learning_coefficient"])
    with pytest.raises(ValueError, match=r"walk.epsilon = -1.0"):
        learning_coefficient(run, 1, epsilons=[-1.0])


def flags(values: list[float]) -> list[bool]:
    table = pd.DataFrame({"step": 0, "gamma": 1.0, "epsilon": range(len(values)), "learning_coefficient": values})
    return flag_sensitive(table)["sensitive"].tolist()


def test_values_that_hang_on_epsilon_are_flagged_with_their_neighbours():
    assert flags([10.0, 11.0, 12.0]) == [False, False, False]
    assert flags([10.0, 11.0, 30.0]) == [False, True, True]
    assert flags([10.0, 4.0, 4.1]) == [True, True, False]
    assert flags([10.0, float("nan"), 10.0]) == [True, True, True]
    assert flags([-1.0, 1.0]) == [True, True]


def test_flags_are_by_step_and_localisation():
    table = pd.DataFrame({"step": [0, 0, 1, 1], "gamma": 1.0, "epsilon": [1, 2, 1, 2]})
    found = flag_sensitive(table.assign(learning_coefficient=[1.0, 9.0, 5.0, 5.0]))
    assert found["sensitive"].tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("argument", "wrong", "accepted"),
    [
        *[("checkpoints", value, r"use an integer >= 1") for value in (0, -2, 1.5, True)],
        *[("batch_size", value, r"use an integer >= 1; or None, for all examples") for value in (0, -4, 8.0)],
        *[("seed", value, r"use an integer >= 0") for value in (-1, 0.5, None)],
        *[("epsilons", value, r"use a list of at least one number") for value in ((), 1e-4, ["small"], "1")],
        *[("gammas", value, r"use a list of at least one number") for value in ([], 10.0, [None])],
    ],
)
def test_arguments_that_nothing_can_be_made_of_are_named_with_what_would_do(write_run, argument, wrong, accepted):
    with pytest.raises(ValueError, match=f"{argument} = {re.escape(repr(wrong))} is not accepted: {accepted}"):
        learning_coefficient(write_run(every=300), **{argument: wrong})
