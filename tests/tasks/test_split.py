"""The split: disjoint, complete, of the right size, and a function of the seed alone."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from grokscope.config import ConfigError, TaskConfig, preset
from grokscope.tasks import build_task, generator
from grokscope.training import Trainer

TASK = build_task(TaskConfig(name="add", modulus=13))


@given(st.floats(0.006, 0.999), st.integers(0, 2**31 - 1))
def test_a_split_is_disjoint_complete_and_of_the_right_size(fraction, seed):
    train, val = TASK.split(fraction, seed)
    assert sorted([*train.tolist(), *val.tolist()]) == list(range(169))
    exact = 169 * Fraction(fraction)
    assert exact - 1 < len(train) <= exact or len(train) == round(exact)  # the product of floats may round up


@pytest.mark.parametrize(
    ("name", "n_train"), [("mul-lion", 4656), ("add-lion", 4704), ("s5-lion", 7200), ("nanda-add-p113", 3830)]
)
def test_the_published_splits_have_the_published_sizes(name, n_train):
    config = preset(name)
    train, val = build_task(config.task).split(config.task.train_fraction, 0)
    assert len(train) == n_train
    assert len(val) == build_task(config.task).n_examples - n_train


def test_a_seed_gives_one_split_and_other_seeds_others():
    splits = [tuple(TASK.split(0.5, seed)[0].tolist()) for seed in range(50)]
    again = build_task(TaskConfig(name="add", modulus=13))
    assert splits == [tuple(again.split(0.5, seed)[0].tolist()) for seed in range(50)]
    assert len({frozenset(split) for split in splits}) == 50


def test_a_split_draws_nothing_from_the_global_generator_and_is_not_moved_by_it():
    torch.manual_seed(1)
    before, first = torch.random.get_rng_state(), TASK.split(0.5, 3)[0]
    assert torch.equal(before, torch.random.get_rng_state())
    torch.rand(100)
    assert torch.equal(first, TASK.split(0.5, 3)[0])


def test_streams_of_a_seed_are_different_and_repeatable():
    draws = {name: torch.rand(50, generator=generator(7, name)) for name in ("split", "weights", "batches")}
    assert not torch.equal(draws["split"], draws["weights"])
    assert not torch.equal(draws["split"], draws["batches"])
    assert not torch.equal(draws["weights"], draws["batches"])
    for name, value in draws.items():
        assert torch.equal(value, torch.rand(50, generator=generator(7, name)))
        assert not torch.equal(value, torch.rand(50, generator=generator(8, name)))


def test_arms_of_one_seed_share_the_split():
    small = {"modulus": 7, "d_model": 8, "n_heads": 2, "d_mlp": 8, "seed": 4}
    trainers = []
    for arm, changes in {
        "mul-lion-clip": {},
        "mul-adamw": {"init": "hooked", "biases": False},
        "mul-lion": {"n_layers": 1, "dtype": "float64", "batch_size": None, "forward": "hooked"},
    }.items():
        config = preset(arm, **small, **changes)
        trainers.append(Trainer(config, build_task(config.task)))
    for other in trainers[1:]:
        assert torch.equal(trainers[0].train, other.train)
        assert torch.equal(trainers[0].val, other.val)


def test_every_example_is_trained_on_equally_often_over_seeds():
    counts = np.zeros(169)
    for seed in range(400):
        counts[TASK.split(0.5, seed)[0].numpy()] += 1
    # 84 of 169 without replacement: variance q(1-q) per seed, and one constraint.
    q = 84 / 169
    statistic = ((counts - 400 * q) ** 2).sum() / (400 * q * (1 - q)) * (168 / 169)
    assert 1e-3 < stats.chi2(168).cdf(statistic) < 1 - 1e-3


def test_whether_two_examples_are_trained_on_is_uncorrelated():
    member = np.zeros((400, 169))
    for seed in range(400):
        member[seed, TASK.split(0.5, seed)[0].numpy()] = 1
    correlation = np.corrcoef(member.T)[np.triu_indices(169, 1)]
    assert abs(correlation.mean() + 1 / 168) < 0.002  # without replacement: -1 / (n - 1)
    assert abs(correlation).max() < 6 / np.sqrt(400)


SMALLEST = [("add", 2, 4), ("mul", 2, 2), ("div", 2, 2), ("mul", 3, 6), ("add", 3, 9)]


@pytest.mark.parametrize(("name", "p", "n"), SMALLEST)
def test_the_smallest_tasks_can_be_split(name, p, n):
    train, val = build_task(TaskConfig(name=name, modulus=p)).split(0.5, 0)
    assert (len(train), len(val)) == (n // 2, n - n // 2)


@pytest.mark.parametrize("p", [2, 3, 5, 7, 13, 97])
def test_a_split_that_leaves_nothing_to_train_on_is_refused_with_a_fraction_that_works(p):
    task = build_task(TaskConfig(name="add", modulus=p))
    with pytest.raises(ConfigError, match=r"task\.train_fraction = 1e-06 ") as caught:
        task.split(1e-6, 0)
    assert f"of {p * p} examples" in str(caught.value)
    advised = float(re.search(r"at least ([\d.e-]+)", str(caught.value))[1])
    assert len(task.split(advised, 0)[0]) >= 1
