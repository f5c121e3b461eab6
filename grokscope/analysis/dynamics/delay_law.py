"""How long grokking takes when the weight norm is held: the exponential law, with runs that never grok.

    ln T = alpha rho + c + noise,   noise ~ N(0, sigma^2)

T: steps to the grok; rho: the norm that the weights are held at, over a reference norm. A run that does not grok
within its budget B is no missing value: it says T > B, with probability Phi((alpha rho + c - ln B) / sigma). Leaving
such runs out makes the fitted delay at large rho too short. In alpha / sigma, c / sigma and 1 / sigma the
log-likelihood is concave, so that its maximum is found from anywhere. Runs of several groups (moduli, optimizers)
share one alpha and have an intercept c for each group.
Source: Khanh et al. 2026 (the law); Tobin 1958 (censored regression); Olsen 1978 (concavity).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import isnan, nan
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from grokscope.analysis.dynamics.censored_line import Line, Points, fit_line, resampled_lines
from grokscope.analysis.dynamics.delay_published import published_slope
from grokscope.analysis.dynamics.delay_table import delay_table, is_clamped
from grokscope.analysis.tables.declared import over_runs
from grokscope.analysis.tables.identity import IDENTITY
from grokscope.analysis.tables.select import names, numbers

if TYPE_CHECKING:
    from grokscope.runs import Run

RESAMPLES = 1000
LEVEL = 0.95
BAND = 50
"""Values of rho at which the band of each group is given."""


@dataclass(frozen=True)
class DelayLaw:
    """A fit of ln T = alpha rho + c. Numbers are NaN where the data do not determine them; `statement` says why."""

    alpha: float
    alpha_low: float
    alpha_high: float
    """Percentile interval at `LEVEL` over resampled seeds."""
    intercept: float
    """c; NaN where groups have intercepts of their own."""
    intercepts: dict[str, float]
    """c of each group; empty without groups."""
    sigma: float
    """Standard deviation of ln T about the line, by maximum likelihood."""
    r_squared: float
    """Of ln T about the mean of its group, of runs that grokked; below 0 where the line does worse than the mean."""
    runs: int
    censored: int
    """Of `runs`, how many did not grok."""
    excluded: tuple[tuple[str, str], ...]
    """Runs that are left out, each with the reason."""
    resamples: int
    """Of those made, how many determined a line."""
    published_alpha: float
    """The published alpha, with T counted as here; NaN where not all runs are of the setting that it belongs to."""
    warning: str
    """Why alpha means nothing although there is one; else empty."""
    statement: str
    band: pd.DataFrame
    """group (empty without groups), rho, delay, low, high: the line and its interval over resampled seeds, in steps."""

    def summary(self) -> pd.DataFrame:
        """One row: every number of the fit, the published alpha beside it, and what was excluded."""
        left_out = "; ".join(f"{name} ({why})" for name, why in self.excluded)
        fields = (
            "alpha",
            "alpha_low",
            "alpha_high",
            "intercept",
            "sigma",
            "r_squared",
            "runs",
            "censored",
            "resamples",
        )
        values = {name: getattr(self, name) for name in fields}
        words = {"excluded": left_out, "warning": self.warning, "statement": self.statement}
        return pd.DataFrame([{**values, "published_alpha": self.published_alpha, **words}])


@over_runs(family="dynamics", needs=("delay_table",), applies_to=is_clamped)
def delay_law_fit(runs: list[Run]) -> pd.DataFrame:
    """The exponential law of delays, fitted to clamped runs of each task (see `delay_law`).

    Returns:
        run, task, arm, seed (of a task's clamped runs, all of them as text), alpha, alpha_low, alpha_high, intercept,
        sigma, r_squared, runs, censored, resamples, published_alpha, excluded, warning, statement: a row per task (see
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
    groups: str | None = None,
) -> DelayLaw:
    """Fit the law by maximum likelihood, with runs that did not grok as censored at their budget.

    Arguments:
        table: rho, seed, censored, and the columns named next; `run`, `status` and `published_setting` where it has
            them (as `delay_table` does).
        delay: column of T, in steps.
        budget: column of the steps within which a censored run did not grok.
        max_rho: leave out runs with a larger rho; None: none is left out for its rho.
        resamples: bootstrap samples, each of as many seeds as there are, drawn with replacement with all their runs.
        seed: of those draws.
        groups: column of groups that share the slope and have an intercept each; None: one line for all.

    With three seeds there are ten different samples, and the interval is narrower than its level says; it is an
    indication, as the spread of the seeds is.

    Left out whatever `max_rho` says, and named: runs that diverged, runs whose T or budget is not > 0 (they
    grokked before the clamp), and groups of which no run grokked, whose intercept nothing bounds from above.

    Warns (RuntimeWarning, and in `warning` and `statement`) where R^2 < 0: then ln T is no line in rho, and alpha
    means nothing. Raises ValueError for a table that lacks a column, naming it.
    """
    _check_columns(table, delay, budget, groups)
    kept, excluded = _split(table, delay, budget, max_rho, groups)
    points = _points(kept, delay, budget, groups)
    line, trouble = fit_line(points), points.trouble
    low = high = nan
    lines: list[Line] = []
    if line is not None:
        lines = resampled_lines(points, kept["seed"].to_numpy(), resamples, seed)
        if len(set(kept["seed"])) < 2:
            trouble = "one seed: no interval"
        elif lines:
            ends = (50 * (1 - LEVEL), 50 * (1 + LEVEL))
            low, high = map(float, np.percentile([drawn.alpha for drawn in lines], ends))
    alpha, sigma = (nan, nan) if line is None else (line.alpha, line.sigma)
    r_squared = nan if line is None else points.r_squared(line)
    warning = ""
    if r_squared < 0:
        warning = f"R^2 = {r_squared:.2f} < 0: the line does worse than a constant, so alpha means nothing"
        warnings.warn(f"delay_law: {warning}", RuntimeWarning, stacklevel=2)
    published = _published(kept, delay)
    named = {} if line is None or groups is None else dict(zip(points.names, line.intercepts.tolist(), strict=True))
    return DelayLaw(
        alpha=alpha,
        alpha_low=low,
        alpha_high=high,
        intercept=float(line.intercepts[0]) if line is not None and groups is None else nan,
        intercepts=named,
        sigma=sigma,
        r_squared=r_squared,
        runs=len(points.rho),
        censored=int(points.censored.sum()),
        excluded=excluded,
        resamples=len(lines),
        published_alpha=published,
        warning=warning,
        statement=_statement(alpha, (low, high), points, trouble, published, delay, warning),
        band=_band(points, line, lines if not isnan(low) else []),
    )


def _check_columns(table: pd.DataFrame, delay: str, budget: str, groups: str | None) -> None:
    needed = ["rho", "seed", "censored", delay, budget, *([] if groups is None else [groups])]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise ValueError(
            f"the table of a delay law lacks {', '.join(missing)}; it needs {', '.join(needed)} "
            "(see grokscope.analysis.delay_table)"
        )


def _split(
    table: pd.DataFrame, delay: str, budget: str, max_rho: float | None, groups: str | None
) -> tuple[pd.DataFrame, tuple[tuple[str, str], ...]]:
    """The runs that are fitted, and the others by name with the reason."""
    reasons: dict[int, str] = {}
    censored = table["censored"].to_numpy(dtype=bool)
    steps = _steps(table, delay, budget)
    for place, (rho, late, count) in enumerate(zip(numbers(table, "rho"), censored, steps, strict=True)):
        if "status" in table and str(table["status"].iloc[place]) == "diverged":
            reasons[place] = "diverged"
        elif max_rho is not None and rho > max_rho:
            reasons[place] = f"rho {rho:g} > max_rho {max_rho:g}"
        elif not count > 0:
            reasons[place] = f"{budget if late else delay} = {count:g} is not > 0"
    if groups is not None:
        of_run = table[groups].astype(str).to_numpy()
        grokked = {of_run[place] for place in range(len(table)) if place not in reasons and not censored[place]}
        for place in range(len(table)):
            # Where every run is censored the fit says so for all of them.
            if grokked and place not in reasons and of_run[place] not in grokked:
                reasons[place] = f"no run of {groups} {of_run[place]} grokked"
    keep = [place for place in range(len(table)) if place not in reasons]
    return table.iloc[keep], tuple((_name(table, place), reasons[place]) for place in sorted(reasons))


def _name(table: pd.DataFrame, place: int) -> str:
    if "run" in table:
        return str(table["run"].iloc[place])
    return f"rho {table['rho'].iloc[place]:g} seed {table['seed'].iloc[place]}"


def _steps(table: pd.DataFrame, delay: str, budget: str) -> Float[np.ndarray, " run"]:
    """Steps to the grok, or the budget of a run that did not grok."""
    censored: Bool[np.ndarray, " run"] = table["censored"].to_numpy(dtype=bool)
    return np.where(censored, numbers(table, budget), numbers(table, delay))


def _points(table: pd.DataFrame, delay: str, budget: str, groups: str | None) -> Points:
    of_run = np.full(len(table), "") if groups is None else table[groups].astype(str).to_numpy()
    names, group = np.unique(of_run, return_inverse=True)
    log_steps = np.log(_steps(table, delay, budget))
    return Points(numbers(table, "rho"), log_steps, table["censored"].to_numpy(dtype=bool), group, tuple(names))


def _published(table: pd.DataFrame, delay: str) -> float:
    """The published alpha, where every run is of the published setting."""
    if "published_setting" not in table or table.empty or not table["published_setting"].to_numpy(dtype=bool).all():
        return nan
    return published_slope(delay)


def _band(points: Points, line: Line | None, lines: list[Line]) -> pd.DataFrame:
    """The line of each group over the rho of its runs."""
    parts = [pd.DataFrame(columns=["group", "rho", "delay", "low", "high"])]
    for number, name in enumerate(points.names if line is not None else ()):
        assert line is not None
        rho = points.rho[points.group == number]
        grid = np.linspace(rho.min(), rho.max(), BAND)
        low, high = np.full(BAND, nan), np.full(BAND, nan)
        drawn = np.array([one.alpha * grid + one.intercepts[number] for one in lines])
        # A sample without a grokked run of the group has no line for it.
        drawn = drawn[~np.isnan(drawn).any(axis=1)] if len(drawn) else drawn
        if len(drawn):
            low, high = np.exp(np.percentile(drawn, (50 * (1 - LEVEL), 50 * (1 + LEVEL)), axis=0))
        delay = np.exp(line.alpha * grid + line.intercepts[number])
        parts.append(pd.DataFrame({"group": name, "rho": grid, "delay": delay, "low": low, "high": high}))
    return parts[0] if len(parts) == 1 else pd.concat(parts[1:], ignore_index=True)


def _statement(
    alpha: float,
    interval: tuple[float, float],
    points: Points,
    trouble: str,
    published: float,
    delay: str,
    warning: str,
) -> str:
    n, censored = len(points.rho), int(points.censored.sum())
    if isnan(alpha):
        return f"No alpha: {trouble}."
    spread = trouble if isnan(interval[0]) else f"{LEVEL:.0%} over seeds: {interval[0]:.2f} to {interval[1]:.2f}"
    runs = f"{n} runs, {censored} of them censored"
    said = f"alpha = {alpha:.2f} ({spread or 'no interval'}; {runs})"
    if not isnan(published):
        counted = "the clamp" if delay == "delay_from_clamp" else "step 0"
        said += f"; published, with T from {counted} too: {published:.2f}"
    return f"{said}. {warning}." if warning else f"{said}."
