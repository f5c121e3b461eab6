"""Gradient entropy: its published formula, what it is not invariant to, and its scale-free counterpart."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from grokscope.probes import absolute_entropy, entropies, normalised_entropy

# Sums are in float64 over at most a thousand terms of order 1: 1e-12 is a thousand roundings.
CLOSE = {"rtol": 1e-12, "atol": 1e-12}


def _draw(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@given(st.integers(1, 300), st.integers(0, 2**20))
def test_normalised_entropy_agrees_with_scipy(n, seed):
    x = _draw(n, seed)
    assert normalised_entropy(x) == pytest.approx(float(entropy(np.abs(x.numpy()))), abs=1e-12)


@given(st.integers(1, 300), st.integers(0, 2**20))
def test_absolute_entropy_is_its_formula(n, seed):
    size = np.abs(_draw(n, seed).numpy())
    assert absolute_entropy(_draw(n, seed)) == pytest.approx(-sum(a * log(a) for a in size.tolist()), rel=1e-11)


@given(st.floats(1e-6, 1e6), st.integers(0, 2**20))
def test_absolute_entropy_changes_with_scale_as_stated_and_normalised_entropy_does_not(scale, seed):
    g = _draw(50, seed)
    l1 = float(g.abs().sum())
    expected = scale * absolute_entropy(g) - scale * log(scale) * l1
    assert absolute_entropy(scale * g) == pytest.approx(expected, rel=1e-10, abs=1e-10 * scale)
    assert normalised_entropy(scale * g) == pytest.approx(normalised_entropy(g), rel=1e-10)


def test_zeros_are_nothing_to_the_absolute_entropy_and_no_distribution():
    assert absolute_entropy(torch.zeros(5)) == 0.0
    assert np.isnan(normalised_entropy(torch.zeros(5)))
    x = torch.tensor([0.0, 2.0, 0.0, -3.0])
    assert absolute_entropy(x) == pytest.approx(-(2 * log(2) + 3 * log(3)), rel=1e-7)


@pytest.mark.parametrize("n", [1, 2, 1000])
def test_equal_entries_have_as_large_an_effective_number_as_there_are(n):
    assert entropies([torch.full((n,), -0.25)])["effective_number"] == pytest.approx(n, rel=1e-12)
    one_hot = torch.zeros(n)
    one_hot[0] = 7.0
    assert entropies([one_hot])["effective_number"] == pytest.approx(1.0)


def test_parts_together_are_one_vector():
    parts = [_draw(7, 0).view(7, 1), _draw(12, 1).view(3, 4)]
    whole = torch.cat([part.flatten() for part in parts])
    found = entropies(parts)
    assert found["l1"] == pytest.approx(float(whole.abs().sum()))
    assert found["l2"] == pytest.approx(float(whole.norm()))
    assert found["absolute_entropy"] == pytest.approx(absolute_entropy(whole))
    assert found["normalised_entropy"] == pytest.approx(normalised_entropy(whole))
    assert found["effective_number"] == pytest.approx(exp(normalised_entropy(whole)))
    assert np.isnan(entropies([torch.zeros(3)])["effective_number"])
