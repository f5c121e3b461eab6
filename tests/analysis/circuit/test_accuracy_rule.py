"""The rule from signal and noise to accuracy: the closed form, a simulation, and what was planted is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from grokscope.analysis.circuit.accuracy_rule import RULES, accuracy_of, fitted_rules


@pytest.mark.parametrize("answers", [2, 5, 97, 720])
def test_without_signal_accuracy_is_chance_and_with_much_it_is_one(answers: int) -> None:
    n = np.array([answers])
    assert accuracy_of(np.array([0.0]), n)[0] == pytest.approx(1 / answers, rel=2e-2)  # nodes of the quadrature
    assert accuracy_of(np.array([30.0]), n)[0] == pytest.approx(1)
    assert accuracy_of(np.array([-30.0]), n)[0] == pytest.approx(0)


def test_of_two_answers_the_difference_is_normal() -> None:
    """E_z Phi(x + z) = Phi(x / sqrt 2)."""
    x = np.linspace(-3, 3, 13)
    np.testing.assert_allclose(accuracy_of(x, np.full(13, 2)), ndtr(x / np.sqrt(2)), atol=1e-12)


def test_it_is_how_often_a_simulated_network_is_right() -> None:
    rng = np.random.default_rng(0)
    for x, n in ((1.0, 10), (2.5, 97)):
        noise = rng.normal(size=(20_000, n))
        noise[:, 0] += x
        right = (noise.argmax(1) == 0).mean()
        # Four standard deviations of a share of 20,000.
        assert accuracy_of(np.array([x]), np.array([n]))[0] == pytest.approx(right, abs=4 * 0.5 / np.sqrt(20_000))


def planted(k: float) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    signal, noise = rng.uniform(0, 8, 60), rng.uniform(0.5, 2, 60)
    answers = np.repeat([97, 120], 30)
    return pd.DataFrame(
        {
            "signal": signal,
            "noise_val": noise,
            "answers": answers,
            "val_accuracy": accuracy_of(k * signal / noise, answers),
        }
    )


def test_a_planted_rule_is_found_and_the_other_is_worse() -> None:
    table = planted(0.7)
    fitted_on = np.arange(60) % 2 == 0
    rules, predictions = fitted_rules(table, fitted_on)
    found = rules.set_index("rule")
    assert found.loc["signal / noise", "k"] == pytest.approx(0.7, rel=1e-3)
    assert found.loc["signal / noise", "r_squared"] == pytest.approx(1, abs=1e-6)
    assert found.loc["signal / noise", "largest_error"] < 1e-3
    assert found.loc["signal", "r_squared"] < 0.95
    assert (rules[["fitted", "judged"]] == 30).all(axis=None)
    np.testing.assert_allclose(predictions["by signal / noise"], table["val_accuracy"], atol=1e-3)
    assert predictions["fitted"].tolist() == fitted_on.tolist()
    assert set(RULES) == set(rules["rule"])


@pytest.mark.parametrize("everything", [True, False])
def test_half_of_nothing_is_refused(everything: bool) -> None:
    with pytest.raises(ValueError, match="neither may be missing"):
        fitted_rules(planted(1.0), np.full(60, everything))


def test_an_accuracy_that_never_varies_explains_nothing() -> None:
    table = planted(1.0).assign(val_accuracy=0.5)
    rules, _ = fitted_rules(table, np.arange(60) < 30)
    assert rules["r_squared"].isna().all()
