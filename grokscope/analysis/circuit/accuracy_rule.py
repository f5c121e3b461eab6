"""Rules from signal and noise to accuracy: does what is read of the logits fix how many answers are right?

The simplest network has at every question the logits S[g, c] + noise, where the right answer leads each of its n - 1
rivals by the signal, and the noise is normal, alike and independent. Then the right answer is the largest with
probability

    accuracy(x, n) = E_z[ Phi(x + z)^(n - 1) ],      x = signal / noise,   z standard normal,

1 / n at x = 0 and 1 for large x. No network is like that: rivals are led by more than the strongest one is, and
noise has tails. So a rule has one free number, by which x is multiplied:

    signal         accuracy(k signal, n)                  noise taken as the same everywhere
    signal / noise accuracy(k signal / noise, n)          `noise` that of unseen examples

k is fitted by least squares on the accuracies of some checkpoints, and the rule is judged on others: R^2 is one less
the mean square of its errors over the variance of the accuracy there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize_scalar
from scipy.special import ndtr

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(64)
"""For means over a standard normal variable."""


def accuracy_of(
    x: Float[np.ndarray, " checkpoint"], answers: Int[np.ndarray, " checkpoint"]
) -> Float[np.ndarray, " checkpoint"]:
    """The probability that the right answer is the largest, x being how far it leads in units of the noise."""
    below = ndtr(x[:, None] + NODES)
    return (below ** (answers[:, None] - 1)) @ WEIGHTS / WEIGHTS.sum()


def _signal(table: pd.DataFrame) -> Float[np.ndarray, " checkpoint"]:
    return table["signal"].to_numpy(dtype=np.float64)


def _over_noise(table: pd.DataFrame) -> Float[np.ndarray, " checkpoint"]:
    return _signal(table) / table["noise_val"].to_numpy(dtype=np.float64)


RULES: dict[str, Callable[[pd.DataFrame], Float[np.ndarray, " checkpoint"]]] = {
    "signal": _signal,
    "signal / noise": _over_noise,
}


def fitted_rules(table: pd.DataFrame, fitted_on: Bool[np.ndarray, " checkpoint"]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every rule fitted on some checkpoints and judged on the others.

    Arguments:
        table: of `margins`, with a column `answers`: how many answers the task has.
        fitted_on: the checkpoints that k is fitted on; both kinds must occur.

    Returns:
        rules: rule, k, fitted (checkpoints that it is fitted on), judged (the others), r_squared_fitted, r_squared
            (of the others), largest_error (of the others, of the accuracy).
        predictions: the table with the columns `fitted` and, for each rule, what it predicts.

    Raises ValueError where there are no checkpoints to fit on, or to judge by.
    """
    if not fitted_on.any() or fitted_on.all():
        raise ValueError("a rule is fitted on some checkpoints and judged on others: neither may be missing")
    accuracy = table["val_accuracy"].to_numpy(dtype=np.float64)
    answers = table["answers"].to_numpy(dtype=np.int64)
    rows, predictions = [], table.assign(fitted=fitted_on)
    for name, reading in RULES.items():
        x = reading(table)
        k = _fit(x[fitted_on], answers[fitted_on], accuracy[fitted_on])
        predicted = accuracy_of(k * x, answers)
        error = accuracy - predicted
        rows.append(
            {
                "rule": name,
                "k": k,
                "fitted": int(fitted_on.sum()),
                "judged": int((~fitted_on).sum()),
                "r_squared_fitted": _r_squared(error[fitted_on], accuracy[fitted_on]),
                "r_squared": _r_squared(error[~fitted_on], accuracy[~fitted_on]),
                "largest_error": float(np.abs(error[~fitted_on]).max()),
            }
        )
        predictions[f"by {name}"] = predicted
    return pd.DataFrame(rows), predictions


def _fit(
    x: Float[np.ndarray, " checkpoint"], answers: Int[np.ndarray, " checkpoint"], accuracy: Float[np.ndarray, " c"]
) -> float:
    """The factor of x with the least squares, looked for over six orders of magnitude."""

    def squares(log_k: float) -> float:
        return float(np.square(accuracy - accuracy_of(np.exp(log_k) * x, answers)).sum())

    grid = np.linspace(np.log(1e-3), np.log(1e3), 121)
    best = int(np.argmin([squares(log_k) for log_k in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    return float(np.exp(minimize_scalar(squares, bounds=(low, high), method="bounded").x))


def _r_squared(error: Float[np.ndarray, " checkpoint"], accuracy: Float[np.ndarray, " checkpoint"]) -> float:
    """NaN where the accuracy does not vary."""
    whole = float(np.square(accuracy - accuracy.mean()).sum())
    return 1 - float(np.square(error).sum()) / whole if whole > 0 else np.nan
