"""Medians, spreads and failures of every arm of a table, beside what the source reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isinf, isnan, nan

import numpy as np
import pandas as pd
import scipy

from grokscope.analysis import names, numbers, where
from grokscope.analysis.timing import medians, quantile_times
from grokscope.experiments.published_tables.trained import Arm
from grokscope.experiments.wording import TITLES, interval, markdown, steps
from grokscope.report import Table

COLUMNS = [
    "part", "task", "arm", "bound", "n", "grokked", "failures", "failure_rate_at_most",
    "median", "low", "high", "coverage", "q25", "q75", "q95", "sustained_median", "published", "sooner", "later",
    "statement",
]  # fmt: skip


def failure_rate_at_most(failures: int, n: int, level: float = 0.95) -> float:
    """The upper end of a one-sided interval of a rate, of which `failures` of `n` runs were seen.

    0 of n is not 0: the rate p at which so few failures have the probability 1 - `level`.
    Source: Clopper & Pearson 1934.
    """
    return 1.0 if failures == n else float(scipy.stats.beta.ppf(level, failures + 1, n - failures))


LEAST_RUNS = 5
"""Runs below which nothing is said of whether a median is sooner or later than the published one."""


def coverage(n: int, high: float, level: float = 0.95) -> float:
    """In which share of samples an interval of a median can hold it at most, if it ends in the range of `n` runs.

    All runs are above the median with probability 2^-n, and all are below it with the same: an interval with both ends
    holds it with probability 1 - 2^(1 - n) at most, and one without an upper end (`high` infinite) with 1 - 2^-n. It
    is no more than the level that it is made for.
    """
    missed = 2.0**-n if isinf(high) else 2.0 ** (1 - n)
    return min(level, 1 - missed)


def summary(rows: pd.DataFrame, arms: Sequence[Arm]) -> pd.DataFrame:
    """A row for each arm of a table that has runs, in the order of the arms.

    Returns `COLUMNS`: grokked and failures count runs by the first grok; median, low, high (its interval, of 95%
    or of what so few runs can have), coverage (in which share of samples that can hold the median at most), q25, q75
    and q95 are those of the Kaplan-Meier curve of the first grok, in steps, missing where they are not reached;
    sustained_median is that of the sustained grok; published is the source's median for the preset, and sooner and
    later count the runs that grok before it and after it, missing where there is none.
    """
    lines = []
    for arm in arms:
        runs = where(rows, task=arm.task, arm=arm.name)
        if not len(runs):
            continue
        (grok,) = medians(runs).to_dict("records")
        (sustained,) = medians(runs, "sustained_grok").to_dict("records")
        n, grokked = int(grok["n"]), int(grok["events"])
        lines.append(
            {
                "part": runs["part"].iloc[0],
                "task": arm.task,
                "arm": arm.name,
                "bound": arm.bound,
                "n": n,
                "grokked": grokked,
                "failures": n - grokked,
                "failure_rate_at_most": failure_rate_at_most(n - grokked, n),
                **{name: grok[name] for name in ("median", "low", "high", "statement")},
                "coverage": nan if isnan(grok["low"]) else coverage(n, grok["high"]),
                **dict(zip(("q25", "q75", "q95"), quantile_times(runs, (0.25, 0.75, 0.95)), strict=True)),
                "sustained_median": sustained["median"],
                "published": arm.published,
                **_beside_published(runs, arm.published),
            }
        )
    return pd.DataFrame(lines, columns=COLUMNS)


def _beside_published(runs: pd.DataFrame, published: int | None) -> dict[str, int | None]:
    """How many runs grok before a published median and after it; one that was given up before it is neither."""
    if published is None:
        return {"sooner": None, "later": None}
    groks, seen = numbers(runs, "grok_step"), numbers(runs, "observed")
    later = (groks > published) | (np.isnan(groks) & (seen >= published))
    return {"sooner": int((groks < published).sum()), "later": int(later.sum())}


def best_bounds(bounds: pd.DataFrame) -> dict[str, float]:
    """The bound with the least median of every task, of a summary in which some arm has grokked."""
    reached = bounds.dropna(subset=["median"])
    least = reached.loc[reached.groupby("task", sort=False)["median"].idxmin()]
    return dict(zip(least["task"], least["bound"].astype(float), strict=True))


def as_text(table: pd.DataFrame, caption: str) -> Table:
    """A summary as it stands on the page."""
    columns = (
        "task",
        "arm",
        "n",
        "failures",
        "rate ≤",
        "median (interval)",
        "quartiles",
        "95th",
        "sustained",
        "source",
    )
    written = []
    for row in table.to_dict("records"):
        written.append(
            (
                TITLES[row["task"]],
                row["arm"],
                str(row["n"]),
                str(row["failures"]),
                f"{row['failure_rate_at_most']:.1%}",
                median_in_words(row),
                _quartiles(row["q25"], row["q75"]),
                *(steps(row[name]) for name in ("q95", "sustained_median", "published")),
            )
        )
    return Table(columns, tuple(written), frozenset(columns[2:]), caption)


def _quartiles(low: float, high: float) -> str:
    return "–" if isnan(low) else f"{steps(low)} to {steps(high)}"


def median_in_words(row: Mapping[str, object]) -> str:
    """A median with its interval and how often that can hold it: `550 (520 to 570; 95%)`; alone without one."""
    low, high, share = (float(str(row[name])) for name in ("low", "high", "coverage"))
    median = steps(float(str(row["median"])))
    return median if isnan(low) else f"{median} ({interval(low, high, steps)}; {share:.0%})"


def readme_lines(bounds: pd.DataFrame) -> list[str]:
    """The README's table in Markdown: each task at its best bound."""
    median = "median steps (interval; how often it holds the median)"
    lines = []
    best = best_bounds(bounds)
    for task in names(bounds, "task"):
        if task in best:
            (row,) = where(bounds, task=task, bound=best[task]).to_dict("records")
            cells = (TITLES[task], f"{best[task]:g}", median_in_words(row), row["n"], row["failures"])
            published = next((arm for arm in where(bounds, task=task)["published"] if not pd.isna(arm)), None)
            lines.append((*cells, steps(published)))
    return markdown(("task", "best bound", median, "runs", "failures", "published"), lines)
