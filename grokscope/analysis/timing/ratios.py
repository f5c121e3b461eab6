"""Ratios of medians, in logarithms, in a sample and its resamples; bounds where a median is not reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isinf, nan
from typing import Literal

import numpy as np
from jaxtyping import Float

from grokscope.analysis.timing.resampling import Medians

Bound = Literal["exact", "at least", "at most", "unknown"]


@dataclass(frozen=True)
class LogRatio:
    """ln(median before / median after), of the sample and then of every resample.

    It lies between two ends, which are the same where both medians are reached. The first end is -inf where the median
    after is not reached, the second is inf where the one before is not.
    """

    least: Float[np.ndarray, " draw"]
    most: Float[np.ndarray, " draw"]

    @classmethod
    def of(cls, before: Medians, after: Medians) -> LogRatio:
        with np.errstate(divide="ignore"):  # a run watched up to 0 says nothing: ln 0 = -inf
            ends = [np.log(end) for end in (before.low, before.high, after.low, after.high)]
        return cls(ends[0] - ends[3], ends[1] - ends[2])

    @classmethod
    def mean(cls, several: Sequence[LogRatio]) -> LogRatio:
        """Of ratios over the same draws."""
        return cls(
            np.mean([ratio.least for ratio in several], axis=0), np.mean([ratio.most for ratio in several], axis=0)
        )

    def share(self, total: LogRatio) -> LogRatio:
        """It over another, resample by resample: anything where that is not seen to be above 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = [part / whole for part in (self.least, self.most) for whole in (total.least, total.most)]
        seen = (total.least > 0) & np.isfinite(self.least) & np.isfinite(self.most)
        return LogRatio(np.where(seen, np.min(ends, axis=0), -inf), np.where(seen, np.max(ends, axis=0), inf))

    @property
    def bound(self) -> Bound:
        """What `value` is of the ratio in the sample."""
        if isinf(self.least[0]):
            return "unknown" if isinf(self.most[0]) else "at most"
        return "at least" if isinf(self.most[0]) else "exact"

    @property
    def value(self) -> float:
        """In the sample: the ratio, or the end that it has; NaN if it has none."""
        return {"unknown": nan, "at most": float(self.most[0])}.get(self.bound, float(self.least[0]))

    @property
    def unbounded(self) -> float:
        """The share of resamples in which an end is infinite."""
        return float((np.isinf(self.least) | np.isinf(self.most))[1:].mean())

    def interval(self, level: float) -> tuple[float, float]:
        """Between percentiles of the resamples: of the lower end, and of the upper one.

        Each is one of the resamples, so that infinite ones do not spoil those beside them.
        """
        sides = ((self.least, (1 - level) / 2), (self.most, (1 + level) / 2))
        low, high = (float(np.quantile(end[1:], at, method="inverted_cdf")) for end, at in sides)
        return low, high


def exponential(value: float) -> float:
    """The ratio of a logarithm; infinite beyond what a float holds."""
    return inf if value > 700 else float(np.exp(value))
