"""How long grokking takes when the weight norm is held: the exponential law, with runs that never grok.

    ln T = alpha rho + c + noise,   noise ~ N(0, sigma^2)

T: steps to the grok; rho: the norm that the weights are held at, over a reference norm. A run that does not grok
within its budget B is no missing value: it says T > B, with probability Phi((alpha rho + c - ln B) / sigma). Leaving
such runs out makes the fitted delay at large rho too short. In alpha / sigma, c / sigma and 1 / sigma the
log-likelihood is concave, so that its maximum is found from anywhere.
Source: Khanh et al. 2026 (the law, alpha = 15.45); Tobin 1958 (censored regression); Olsen 1978 (concavity).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, nan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.optimize import minimize
from scipy.stats import norm

from grokscope.analysis.dynamics.delay_table import delay_table, is_clamped
from grokscope.analysis.tables.declared import over_runs
from grokscope.analysis.tables.identity import IDENTITY
from grokscope.analysis.tables.select import names, numbers

if TYPE_CHECKING:
    from grokscope.runs import Run

PUBLISHED_ALPHA = 15.45
PUBLISHED_DELAYS = {0.85: 718, 1.00: 6608}
"""Published beside it, in steps, by rho. These two alone give alpha = ln(6608 / 718) / 0.15 = 14.80."""
SMALLEST_SIGMA = 1e-3
"""Delays are known to an evaluation, which is more than a thousandth of them: no fit is closer than that."""
RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class DelayLaw:
    """A fit of ln T = alpha rho + c. Numbers are NaN where the data do not determine them; `statement` says why."""

    alpha: float
    alpha_low: float
    alpha_high: float
    """Percentile interval at `LEVEL` over resampled seeds."""
    intercept: float
    sigma: float
    """Standard deviation of ln T about the line, by maximum likelihood."""
    r_squared: float
    """Of ln T, on the runs that grokked."""
    runs: int
    censored: int
    """Of `runs`, how many did not grok."""
    excluded: tuple[tuple[str, str], ...]
    """Runs that are left out, each with the reason."""
    resamples: int
    """Of those made, how many determined a line."""
    statement: str
    band: pd.DataFrame
    """rho, delay, low, high: the line and its interval over resampled seeds, in steps."""

    def summary(self) -> pd.DataFrame:
        """One row: every number of the fit, the published alpha beside it, and what was excluded."""
        left_out = "; ".join(f"{name} ({why})" for name, why in self.excluded)
        names = ("alpha", "alpha_low", "alpha_high", "intercept", "sigma", "r_squared", "runs", "censored", "resamples")
        values = {name: getattr(self, name) for name in names}
        beside = {"published_alpha": PUBLISHED_ALPHA, "excluded": left_out, "statement": self.statement}
        return pd.DataFrame([{**values, **beside}])


@over_runs(family="dynamics", needs=("delay_table",), applies_to=is_clamped)
def delay_law_fit(runs: list[Run]) -> pd.DataFrame:
    """The exponential law of delays, fitted to clamped runs of each task (see `delay_law`).

    Returns:
        run, task, arm, seed (of a task's clamped runs, all of them as text), alpha, alpha_low, alpha_high, intercept,
        sigma, r_squared, runs, censored, resamples, published_alpha, excluded, statement: a row per task (see
        `DelayLaw`).

    Raises ValueError where no run is clamped at a norm that is relative to a reference.
    """
    clamped = [run for run in runs if is_clamped(run)]
    if not clamped:
        raise ValueError(
            f"none of the runs {', '.join(run.name for run in runs)} is clamped at a multiple of a reference norm: "
            "set norms.clamp_rho and norms.clamp_reference"
        )
    table = delay_table(clamped)
    fits = []
    for task in names(table, "task"):
        of_task = table.loc[table["task"] == task]
        identity = {column: ", ".join(names(of_task, column)) for column in IDENTITY}
        fits.append(delay_law(of_task).summary().assign(**identity))
    fit = pd.concat(fits, ignore_index=True)
    return fit.reindex(columns=[*IDENTITY, *fit.columns.difference(IDENTITY, sort=False)])


def delay_law(
    table: pd.DataFrame,
    delay: str = "delay_from_clamp",
    budget: str = "budget_from_clamp",
    max_rho: float | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> DelayLaw:
    """Fit the law by maximum likelihood, with runs that did not grok as censored at their budget.

    Arguments:
        table: rho, seed, censored, and the columns named next; `run` and `status` where it has them.
        delay: column of T, in steps.
        budget: column of the steps within which a censored run did not grok.
        max_rho: leave out runs with a larger rho; None: none is left out for its rho.
        resamples: bootstrap samples, each of as many seeds as there are, drawn with replacement with all their runs.
        seed: of those draws.

    With three seeds there are ten different samples, and the interval is narrower than its level says; it is an
    indication, as the spread of the seeds is.

    Left out whatever `max_rho` says, and named: runs that diverged, and runs whose T or budget is not > 0 (they
    grokked before the clamp).
    """
    kept, excluded = _split(table, delay, budget, max_rho)
    points = _Points.of(kept, delay, budget)
    fit = _fit(points)
    low = high = nan
    count, band, why = 0, pd.DataFrame(columns=["rho", "delay", "low", "high"]), points.trouble
    if fit is not None:
        grid = np.linspace(points.rho.min(), points.rho.max(), 50)
        lines = _resampled(kept, delay, budget, resamples, seed)
        count = len(lines)
        lower, upper = np.full(len(grid), nan), np.full(len(grid), nan)
        if len(set(kept["seed"])) < 2:
            why = "one seed: no interval"
        elif count:
            ends = (50 * (1 - LEVEL), 50 * (1 + LEVEL))
            low, high = map(float, np.percentile([line.alpha for line in lines], ends))
            drawn = np.array([line.alpha * grid + line.intercept for line in lines])
            lower, upper = np.exp(np.percentile(drawn, ends, axis=0))
        band = pd.DataFrame(
            {"rho": grid, "delay": np.exp(fit.alpha * grid + fit.intercept), "low": lower, "high": upper}
        )
    alpha, intercept, sigma = (nan, nan, nan) if fit is None else fit
    statement = _statement(alpha, (low, high), points, why)
    r_squared = nan if fit is None else points.r_squared(fit)
    n, censored = len(points.rho), int(points.censored.sum())
    return DelayLaw(
        *(alpha, low, high, intercept, sigma, r_squared, n, censored, excluded, count, statement),
        band=band,
    )


def _split(
    table: pd.DataFrame, delay: str, budget: str, max_rho: float | None
) -> tuple[pd.DataFrame, tuple[tuple[str, str], ...]]:
    """The runs that are fitted, and the others by name with the reason."""
    excluded: dict[int, tuple[str, str]] = {}
    row: dict[str, Any]
    for place, row in enumerate(table.to_dict("records")):
        name = str(row.get("run", f"rho {row['rho']:g} seed {row['seed']}"))
        steps = float(row[budget] if row["censored"] else row[delay])
        if str(row.get("status")) == "diverged":
            excluded[place] = (name, "diverged")
        elif max_rho is not None and row["rho"] > max_rho:
            excluded[place] = (name, f"rho {row['rho']:g} > max_rho {max_rho:g}")
        elif not steps > 0:
            excluded[place] = (name, f"{budget if row['censored'] else delay} = {steps:g} is not > 0")
    keep: list[int] = [place for place in range(len(table)) if place not in excluded]
    return table.iloc[keep], tuple(excluded.values())


class _Line(NamedTuple):
    alpha: float
    intercept: float
    sigma: float


@dataclass(frozen=True)
class _Points:
    """rho and ln T of each run, or ln B of one that did not grok."""

    rho: Float[np.ndarray, " run"]
    log_steps: Float[np.ndarray, " run"]
    censored: Bool[np.ndarray, " run"]

    @classmethod
    def of(cls, table: pd.DataFrame, delay: str, budget: str) -> _Points:
        censored = table["censored"].to_numpy(dtype=bool)
        steps = np.where(censored, numbers(table, budget), numbers(table, delay))
        return cls(numbers(table, "rho"), np.log(steps), censored)

    @property
    def trouble(self) -> str:
        """Why no line is determined; empty if one is."""
        if not len(self.rho):
            return "there are no runs to fit"
        if self.censored.all():
            return f"all {len(self.rho)} runs are censored: none grokked within its budget"
        if len(np.unique(self.rho[~self.censored])) < 2:
            # A censored run at another rho bounds the slope from one side only: the likelihood has no maximum.
            return "runs that grokked have one rho only: a slope needs two"
        return ""

    def r_squared(self, line: _Line) -> float:
        y, x = self.log_steps[~self.censored], self.rho[~self.censored]
        spread = float(((y - y.mean()) ** 2).sum())
        return 1 - float(((y - line.alpha * x - line.intercept) ** 2).sum()) / spread if spread > 0 else nan


def _fit(points: _Points) -> _Line | None:
    """The line of maximum likelihood; None where the data do not determine one."""
    if points.trouble:
        return None
    x, y, censored = points.rho, points.log_steps, points.censored
    # In the middle of the data and at their scale, where the three parameters hardly depend on each other.
    middle, scale, level = x[~censored].mean(), np.ptp(x[~censored]), y[~censored].mean()
    x, y = (x - middle) / scale, y - level

    def loss(theta: Float[np.ndarray, "3"]) -> tuple[float, Float[np.ndarray, "3"]]:
        slope, offset, precision = theta
        z = precision * y - slope * x - offset
        survival = norm.logsf(z[censored])
        hazard = np.exp(norm.logpdf(z[censored]) - survival)
        value = 0.5 * (z[~censored] ** 2).sum() - (~censored).sum() * log(precision) - survival.sum()
        by_z = np.where(censored, 0.0, z)
        by_z[censored] = hazard
        by_precision = (by_z * y).sum() - (~censored).sum() / precision
        return float(value), np.array([-(by_z * x).sum(), -by_z.sum(), by_precision])

    slope, offset = np.polyfit(x[~censored], y[~censored], 1)
    sigma = max(float(np.std(y[~censored] - slope * x[~censored] - offset)), 0.05)
    start = np.array([slope, offset, 1.0]) / sigma
    bounds = [(None, None), (None, None), (1e-6, 1 / SMALLEST_SIGMA)]
    options = {"maxiter": 5000, "ftol": 1e-14, "gtol": 1e-9}
    slope, offset, precision = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    alpha = float(slope / precision / scale)
    return _Line(alpha, float(offset / precision + level - alpha * middle), float(1 / precision))


def _resampled(table: pd.DataFrame, delay: str, budget: str, resamples: int, seed: int) -> list[_Line]:
    """Lines through all runs of seeds drawn with replacement; draws that determine none are left out."""
    source = np.random.default_rng(seed)
    of_seed = [table.loc[table["seed"] == one] for one in table["seed"].unique()]
    # Few seeds have few samples, each of which is fitted once.
    line_of: dict[tuple[int, ...], _Line | None] = {}
    lines = []
    for _ in range(resamples if len(of_seed) > 1 else 0):
        drawn = tuple(sorted(source.integers(len(of_seed), size=len(of_seed)).tolist()))
        if drawn not in line_of:
            line_of[drawn] = _fit(_Points.of(pd.concat([of_seed[i] for i in drawn]), delay, budget))
        if (line := line_of[drawn]) is not None:
            lines.append(line)
    return lines


def _statement(alpha: float, interval: tuple[float, float], points: _Points, why: str) -> str:
    n, censored = len(points.rho), int(points.censored.sum())
    if np.isnan(alpha):
        return f"No alpha: {why}."
    interval_text = why if np.isnan(interval[0]) else f"{LEVEL:.0%} over seeds: {interval[0]:.2f} to {interval[1]:.2f}"
    runs = f"{n} runs, {censored} of them censored"
    return f"alpha = {alpha:.2f} ({interval_text or 'no interval'}; {runs}); published {PUBLISHED_ALPHA}."
