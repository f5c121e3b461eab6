"""Rules from signal and noise to accuracy: does what is read of the logits fix how many answers are right?

At a question the right answer leads its strongest rival by the signal, give or take noise, and it is given if the lead
is positive. A rule says how often that is, with two numbers:

    accuracy = Phi(slope (x - half)),      Phi the normal distribution function

where x is the signal, or the signal over the noise of unseen examples, half is the x at which every second answer is
right, and slope says how fast accuracy passes there. If the noise of the lead were normal, alike everywhere and in
proportion to that of a logit, half would be the noise's share that the strongest of all rivals gets, and slope its
inverse spread; no network is like that, and both numbers are fitted.

They are fitted by least squares on the accuracies of some checkpoints, and the rule is judged on others: R^2 is one
less the mean square of its errors over the variance of the accuracy there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import scipy
from jaxtyping import Bool, Float

from grokscope.analysis.tables.select import numbers


def _over_noise(table: pd.DataFrame) -> Float[np.ndarray, " checkpoint"]:
    return numbers(table, "signal") / numbers(table, "noise_val")


RULES: dict[str, Callable[[pd.DataFrame], Float[np.ndarray, " checkpoint"]]] = {
    "signal": lambda table: numbers(table, "signal"),
    "signal / noise": _over_noise,
}
"""x of each rule."""


def fitted_rules(table: pd.DataFrame, fitted_on: Bool[np.ndarray, " checkpoint"]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every rule fitted on some checkpoints and judged on the others.

    Arguments:
        table: of `margins`.
        fitted_on: the checkpoints that the rules are fitted on; both kinds must occur.

    Returns:
        rules: rule, half, slope, fitted (checkpoints that it is fitted on), judged (the others), r_squared_fitted,
            r_squared (of the others), largest_error (of the others, of the accuracy).
        predictions: the table with the columns `fitted` and, for each rule, what it predicts (`by signal`, ...).

    R^2 is NaN where the accuracy does not vary. Raises ValueError where there are no checkpoints to fit on, or to judge
    by.
    """
    if not fitted_on.any() or fitted_on.all():
        raise ValueError("a rule is fitted on some checkpoints and judged on others: neither may be missing")
    accuracy = numbers(table, "val_accuracy")
    rows, predictions = [], table.assign(fitted=fitted_on)
    for name, reading in RULES.items():
        x = reading(table)
        half, slope = _fit(x[fitted_on], accuracy[fitted_on])
        predicted = scipy.special.ndtr(slope * (x - half))
        error = accuracy - predicted
        rows.append(
            {
                "rule": name,
                "half": half,
                "slope": slope,
                "fitted": int(fitted_on.sum()),
                "judged": int((~fitted_on).sum()),
                "r_squared_fitted": _r_squared(error[fitted_on], accuracy[fitted_on]),
                "r_squared": _r_squared(error[~fitted_on], accuracy[~fitted_on]),
                "largest_error": float(np.abs(error[~fitted_on]).max()),
            }
        )
        predictions[f"by {name}"] = predicted
    return pd.DataFrame(rows), predictions


def _fit(x: Float[np.ndarray, " checkpoint"], accuracy: Float[np.ndarray, " checkpoint"]) -> tuple[float, float]:
    """Half and slope of the least squares, begun where accuracy passes one half and with a spread of a quarter of x."""
    spread = max(float(np.std(x)), 1e-12)
    start = float(np.median(x[np.abs(accuracy - 0.5) <= np.abs(accuracy - 0.5).min() + 0.1]))

    def errors(numbers_of_rule: Float[np.ndarray, " 2"]) -> Float[np.ndarray, " checkpoint"]:
        half, log_slope = numbers_of_rule
        return accuracy - scipy.special.ndtr(np.exp(log_slope) * (x - half))

    found = scipy.optimize.least_squares(errors, [start, np.log(4 / spread)], x_scale=[spread, 1.0]).x
    return float(found[0]), float(np.exp(found[1]))


def _r_squared(error: Float[np.ndarray, " checkpoint"], accuracy: Float[np.ndarray, " checkpoint"]) -> float:
    whole = float(np.square(accuracy - accuracy.mean()).sum())
    return 1 - float(np.square(error).sum()) / whole if whole > 0 else np.nan
