"""Lines through points some of which are known only to lie above: maximum likelihood, and resampled seeds.

    y = alpha x + c_g + noise,   noise ~ N(0, sigma^2),   one alpha, an intercept c_g for each group

of which a censored point says y > its value. With z = p y - a x - o_g, p = 1 / sigma, a = alpha / sigma and
o_g = c_g / sigma, the negative log-likelihood

    sum_seen (z^2 / 2 - ln p) - sum_censored ln Phi(-z)

is convex in (a, o, p). Source: Tobin 1958 (censored regression); Olsen 1978 (convexity).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, nan, pi

import numpy as np
import scipy
from jaxtyping import Bool, Float, Int

SMALLEST_SIGMA = 1e-3
"""Delays are known to an evaluation, which is more than a thousandth of them: no fit is closer than that."""


@dataclass(frozen=True, eq=False)
class Line:
    """One slope, and the intercept of every group; NaN for a group without a point that is not censored."""

    alpha: float
    intercepts: Float[np.ndarray, " group"]
    sigma: float


@dataclass(frozen=True, eq=False)
class Points:
    """rho and ln T of each run, or ln B of one that did not grok."""

    rho: Float[np.ndarray, " run"]
    log_steps: Float[np.ndarray, " run"]
    censored: Bool[np.ndarray, " run"]
    group: Int[np.ndarray, " run"]
    names: tuple[str, ...]
    """Of the groups."""

    @property
    def trouble(self) -> str:
        """Why no line is determined; empty if one is."""
        if not len(self.rho):
            return "there are no runs to fit"
        if self.censored.all():
            return f"all {len(self.rho)} runs are censored: none grokked within its budget"
        if not any(len(np.unique(self.rho[self._seen(g)])) > 1 for g in range(len(self.names))):
            # A censored run at another rho bounds the slope from one side only: the likelihood has no maximum.
            within = " in every group" if len(self.names) > 1 else ""
            return f"runs that grokked have one rho only{within}: a slope needs two"
        return ""

    def r_squared(self, line: Line) -> float:
        """Of the points that are not censored, about the means of their groups; NaN where these have no spread."""
        left = spread = 0.0
        for g in range(len(self.names)):
            x, y = self.rho[self._seen(g)], self.log_steps[self._seen(g)]
            if len(y):
                spread += float(((y - y.mean()) ** 2).sum())
                left += float(((y - line.alpha * x - line.intercepts[g]) ** 2).sum())
        return 1 - left / spread if spread > 0 else nan

    def take(self, places: Int[np.ndarray, " drawn"]) -> Points:
        """Some of the runs, one perhaps several times."""
        return Points(self.rho[places], self.log_steps[places], self.censored[places], self.group[places], self.names)

    def _seen(self, group: int) -> Bool[np.ndarray, " run"]:
        return (self.group == group) & ~self.censored


def fit_line(points: Points) -> Line | None:
    """The line of maximum likelihood; None where the points do not determine one.

    Points of a group of which all are censored say nothing about the slope and are passed over.
    """
    if points.trouble:
        return None
    count = len(points.names)
    has_line = np.array([bool((~points.censored[points.group == g]).any()) for g in range(count)])
    kept = points.take(np.flatnonzero(has_line[points.group]))
    used = np.flatnonzero(has_line)
    group = np.searchsorted(used, kept.group)
    x, y, censored = kept.rho, kept.log_steps, kept.censored
    seen = ~censored
    # In the middle of the data and at their scale, where the parameters hardly depend on each other.
    middle, scale, level = x[seen].mean(), np.ptp(x[seen]), y[seen].mean()
    x, y = (x - middle) / scale, y - level
    of_group = np.eye(len(used))[group]  # [run, group]

    def loss(theta: Float[np.ndarray, " parameter"]) -> tuple[float, Float[np.ndarray, " parameter"]]:
        slope, offsets, precision = theta[0], theta[1:-1], theta[-1]
        z = precision * y - slope * x - of_group @ offsets
        # The functions of `scipy.stats.norm`, without its checks: they take longer than all else here.
        survival = scipy.special.log_ndtr(-z[censored])
        hazard = np.exp(-0.5 * (z[censored] ** 2 + log(2 * pi)) - survival)
        value = 0.5 * (z[seen] ** 2).sum() - seen.sum() * log(precision) - survival.sum()
        by_z = np.where(censored, 0.0, z)
        by_z[censored] = hazard
        by_precision = (by_z * y).sum() - seen.sum() / precision
        return float(value), np.array([-(by_z * x).sum(), *(-(by_z @ of_group)), by_precision])

    design = np.column_stack([x, of_group])[seen]
    start = np.linalg.lstsq(design, y[seen], rcond=None)[0]
    sigma = max(float(np.std(y[seen] - design @ start)), 0.05)
    bounds = [(None, None)] * len(start) + [(1e-6, 1 / SMALLEST_SIGMA)]
    options = {"maxiter": 5000, "ftol": 1e-14, "gtol": 1e-9}
    theta = scipy.optimize.minimize(
        loss, np.array([*start, 1.0]) / sigma, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    ).x
    alpha = float(theta[0] / theta[-1] / scale)
    intercepts = np.full(count, nan)
    intercepts[used] = theta[1:-1] / theta[-1] + level - alpha * middle
    return Line(alpha, intercepts, float(1 / theta[-1]))


def resampled_lines(points: Points, seeds: Int[np.ndarray, " run"], resamples: int, seed: int) -> list[Line]:
    """Lines through all runs of seeds drawn with replacement; draws that determine none are left out.

    None are made of a single seed.
    """
    source = np.random.default_rng(seed)
    of_seed = [np.flatnonzero(seeds == one) for one in dict.fromkeys(seeds.tolist())]
    # Few seeds have few samples, each of which is fitted once.
    known: dict[tuple[int, ...], Line | None] = {}
    lines = []
    for _ in range(resamples if len(of_seed) > 1 else 0):
        drawn = tuple(sorted(source.integers(len(of_seed), size=len(of_seed)).tolist()))
        if drawn not in known:
            known[drawn] = fit_line(points.take(np.concatenate([of_seed[i] for i in drawn])))
        if (line := known[drawn]) is not None:
            lines.append(line)
    return lines
