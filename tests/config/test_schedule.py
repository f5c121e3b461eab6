"""Which steps each schedule saves, against sets written out another way."""

from __future__ import annotations

from decimal import Decimal, getcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.config import CheckpointConfig


def due(config, budget, sustained_since=None):
    return [step for step in range(budget + 1) if config.due(step, sustained_since)]


@given(st.integers(1, 50), st.integers(0, 300))
def test_every_saves_the_multiples(every, budget):
    assert due(CheckpointConfig("every", every=every), budget) == list(range(0, budget + 1, every))


@pytest.mark.parametrize("per_decade", [1, 2, 3, 7, 20, 50, 1000])
def test_log_saves_the_nearest_integers_to_powers_of_ten_each_once(per_decade):
    getcontext().prec = 50
    powers = {round(Decimal(10) ** (Decimal(k) / per_decade)) for k in range(4 * per_decade + 1)}
    assert due(CheckpointConfig("log", per_decade=per_decade), 10_000) == [0, *sorted(powers)]


def test_log_saves_every_power_of_ten():
    config = CheckpointConfig("log", per_decade=20)
    assert all(config.due(10**n, None) for n in range(9))


def test_ends_saves_the_first_alone_and_leaves_the_last_to_the_trainer():
    assert due(CheckpointConfig("ends", every=1), 100) == [0]


@given(st.integers(1, 30), st.integers(1, 100), st.integers(0, 400))
def test_dense_saves_every_n_up_to_the_sustained_grok_and_sparsely_after_it(every, sparse, since):
    config = CheckpointConfig("dense", every=every, sparse_every=sparse)
    before = set(range(0, since + 1, every))
    after = {step for step in range(0, 601, sparse) if step > since}
    assert set(due(config, 600, since)) == before | after
    assert due(config, 600, None) == list(range(0, 601, every))
