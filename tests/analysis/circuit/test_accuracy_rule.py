"""Rules from signal and noise to accuracy: what was planted is found, by the rule that it was planted in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from grokscope.analysis.circuit.accuracy_rule import RULES, fitted_rules


def planted(half: float, slope: float) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    signal, noise = rng.uniform(-1, 8, 60), rng.uniform(0.5, 3, 60)
    accuracy = norm.cdf(signal / noise, loc=half, scale=1 / slope)
    return pd.DataFrame({"signal": signal, "noise_val": noise, "val_accuracy": accuracy})


@pytest.mark.parametrize(("half", "slope"), [(1.0, 1.3), (0.3, 4.0), (2.5, 0.5)])
def test_a_planted_rule_is_found_and_the_other_is_worse(half: float, slope: float) -> None:
    fitted_on = np.arange(60) % 2 == 0
    table = planted(half, slope)
    rules, predictions = fitted_rules(table, fitted_on)
    found = rules.set_index("rule")
    assert set(found.index) == set(RULES)
    assert found.loc["signal / noise", ["half", "slope"]].tolist() == pytest.approx([half, slope], rel=1e-4)
    assert found.loc["signal / noise", "r_squared"] == pytest.approx(1, abs=1e-6)
    assert found.loc["signal / noise", "largest_error"] < 1e-3
    assert found.loc["signal", "r_squared"] < 0.999
    assert (rules[["fitted", "judged"]] == 30).all(axis=None)
    np.testing.assert_allclose(predictions["by signal / noise"], table["val_accuracy"], atol=1e-3)
    assert predictions["fitted"].tolist() == fitted_on.tolist()


def test_a_simulated_network_is_right_as_often_as_its_rule_says() -> None:
    """Leads of 20,000 questions, normal: half is 0 and slope the inverse of their spread."""
    rng = np.random.default_rng(0)
    signal = np.linspace(-3, 6, 40)
    accuracy = [(lead + 2.0 * rng.normal(size=20_000) > 0).mean() for lead in signal]
    rules, _ = fitted_rules(
        pd.DataFrame({"signal": signal, "noise_val": 1.0, "val_accuracy": accuracy}), np.arange(40) % 2 == 0
    )
    for found in rules.to_dict("records"):
        assert found["half"] == pytest.approx(0, abs=0.03)  # the standard error of a share of 20,000 is 0.0035
        assert found["slope"] == pytest.approx(0.5, abs=0.01)
        assert found["r_squared"] > 0.999


@pytest.mark.parametrize("everything", [True, False])
def test_half_of_nothing_is_refused(everything: bool) -> None:
    with pytest.raises(ValueError, match="neither may be missing"):
        fitted_rules(planted(1.0, 1.0), np.full(60, everything))


def test_an_accuracy_that_never_varies_explains_nothing() -> None:
    table = planted(1.0, 1.0).assign(val_accuracy=0.5)
    rules, _ = fitted_rules(table, np.arange(60) < 30)
    assert rules["r_squared"].isna().all()
