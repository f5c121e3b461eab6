"""The page: every table with its figures, its numbers and what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import scipy

from grokscope import figures
from grokscope.analysis import names, numbers, where
from grokscope.analysis.timing import medians, survival
from grokscope.disk.tables import csv_bytes
from grokscope.experiments.ledger import FILE
from grokscope.experiments.published_tables.against_clip import (
    NOT_COMPARED,
    against_clip,
    against_lines,
    sentences_against,
)
from grokscope.experiments.published_tables.summary import LEAST_RUNS, as_text, median_in_words, readme_lines
from grokscope.experiments.published_tables.trained import TABLES, PublishedTable
from grokscope.experiments.shown import Shown
from grokscope.experiments.side_by_side import COLUMN
from grokscope.experiments.wording import TITLES, by_arm, joined, steps
from grokscope.figures.plates import Plate
from grokscope.report.page import write_page

TITLE = "Every table of the method's authors, again"
COMMAND = "grokscope experiment published-tables"
RUNS_FOR_QUARTILES = 20
"""Runs below which the spread of arms is not compared."""


def write_tables(
    out: Path,
    rows: pd.DataFrame,
    summaries: Mapping[str, pd.DataFrame],
    missing: Mapping[str, Sequence[str]],
    scale: str,
) -> Path:
    """Write the page, its figures, `runs.csv`, a CSV a table and `summary.md`; returns the path of the page.

    Arguments:
        rows: of every run that has ended.
        summaries: of each table that has runs, by its name.
        missing: names of the runs of each table that have not ended.
        scale: of the experiment.
    """
    compared = against_clip(rows, summaries["bounds"]) if "bounds" in summaries else NOT_COMPARED
    shown = [
        _shown(table, where(rows, part=table.name), summaries[table.name], compared, missing.get(table.name, ()))
        for table in TABLES
        if table.name in summaries
    ]
    beside = {FILE: csv_bytes(rows)}
    beside |= {f"{name}.csv": csv_bytes(table) for name, table in summaries.items()}
    if "bounds" in summaries:
        beside["summary.md"] = ("\n".join(readme_lines(summaries["bounds"])) + "\n").encode()
    if len(compared):
        beside["against-clip.csv"] = csv_bytes(compared)
        beside["against-clip.md"] = ("\n".join(against_lines(compared)) + "\n").encode()
    seconds = float(np.nansum(numbers(rows, "observed_seconds")))
    values = {
        "title": TITLE,
        "opening": _opening(rows, seconds, scale, tuple(summaries)),
        "command": COMMAND + ("" if scale == "published" else f" --scale {scale}"),
        "tables": shown,
    }
    return write_page(out, "published.html.j2", [plate for one in shown for plate in one.plates], values, beside)


def _opening(rows: pd.DataFrame, seconds: float, scale: str, tables: Sequence[str]) -> tuple[str, ...]:
    residual = "In all presets the first norm of a block overwrites the residual stream"
    residual += "; the last table is about networks where it does not." if "residual" in tables else "."
    told = (
        f"{len(rows)} runs of the published settings: {_trained(rows, seconds)}. Networks are evaluated once an epoch. "
        "A network groks at the first evaluation with validation accuracy of at least 0.95, and the grok is sustained "
        "if the next five agree. Times are Kaplan-Meier medians in steps, each with its interval and the share of "
        "samples in which that holds the true median: 95% where there are enough runs, and at most 94%, 75% or 50% of "
        f"five, three or two runs, whose range it ends in. Of fewer than {LEAST_RUNS} runs it is not said whether they "
        "are sooner or later than published. A run that has not grokked when its budget ends counts as censored there, "
        "and as a failure. The rate of failures is at most the number given, with 95% confidence: 0 of n is not 0. "
        f"{residual}",
    )
    small = ("This is the small scale: it shows that every part works, and its numbers mean nothing.",)
    return told + (small if scale == "small" else ())


def _trained(rows: pd.DataFrame, seconds: float) -> str:
    """Where the runs were trained, in words."""
    where_else = rows[COLUMN].dropna() if COLUMN in rows else rows["run"].iloc[:0]
    alone = f"{len(rows) - len(where_else)} one by one, {seconds / 3600:.1f} hours of one core"
    devices = [
        f"{count} on {name} (the seeds of a setting at once)" for name, count in where_else.value_counts().items()
    ]
    return joined([alone, *devices])


def _shown(
    table: PublishedTable, rows: pd.DataFrame, summary: pd.DataFrame, compared: pd.DataFrame, missing: Sequence[str]
) -> Shown:
    caption = f"{len(rows)} runs. Steps to the first grok; “source” is the published median of the preset."
    return Shown(
        table.name,
        table.title,
        table.about,
        (*sentences(summary), *sentences_against(where(compared, part=table.name))),
        tuple(_plates(table.name, rows)),
        as_text(summary, caption),
        tuple(by_arm(missing)),
    )


def sentences(summary: pd.DataFrame) -> Iterator[str]:
    """What reproduces and what does not, of arms with enough runs to tell, and which runs fail."""
    known = summary.dropna(subset=["published", "median", "low"])
    compared = known.loc[known["n"] >= LEAST_RUNS]
    inside = [_of(row) for row in compared.to_dict("records") if row["low"] <= row["published"] <= row["high"]]
    if inside:
        yield f"The published median lies in our interval for {joined(inside)}."
    for row in compared.to_dict("records"):
        if not row["low"] <= row["published"] <= row["high"]:
            sooner = "sooner" if row["median"] < row["published"] else "later"
            n_sooner, n_later = int(row["sooner"]), int(row["later"])
            p = scipy.stats.binomtest(n_sooner, n_sooner + n_later).pvalue
            told = f"{n_sooner} runs are sooner than that and {n_later} later (sign test, p = {p:.2g})"
            yield f"{_of(row)} is {sooner} than published: {_beside(row)}; {told}."
    for row in known.loc[known["n"] < LEAST_RUNS].to_dict("records"):
        yield f"{_of(row)} has too few runs to tell: {_beside(row)}."
    spread = summary.loc[summary["n"] >= RUNS_FOR_QUARTILES].dropna(subset=["q25", "q75"]).to_dict("records")
    if len(spread) > 1:
        apart = [f"{steps(row['q75'] - row['q25'])} for {_of(row)}" for row in spread]
        yield f"Steps between the quartiles: {joined(apart)}."
    failing = [row for row in summary.to_dict("records") if row["failures"]]
    for row in failing:
        yield f"{_of(row)}: {_failures(row['failures'], row['n'])} not grokked in the budget."
    if len(summary) and not failing:
        total = sum(row["n"] for row in summary.to_dict("records"))
        yield f"None of the {total} runs failed."


def _failures(failures: int, n: int) -> str:
    """How many of the runs have failed, up to the verb."""
    if failures == n:
        return "the one run has" if n == 1 else f"all {n} runs have"
    return f"{failures} of {n} runs {'has' if failures == 1 else 'have'}"


def _beside(row: Mapping[str, object]) -> str:
    """A median beside the published one, and of how many runs it is."""
    runs = "1 run" if row["n"] == 1 else f"{row['n']} runs"
    return f"{median_in_words(row)} of {runs}, against {steps(float(str(row['published'])))}"


def _of(row: Mapping[str, object]) -> str:
    return f"{TITLES[str(row['task'])]} ({row['arm']})"


def _plates(name: str, rows: pd.DataFrame) -> Iterator[Plate]:
    if name == "bounds":
        for task in names(rows, "task"):
            runs = where(rows, task=task).assign(optimizer="Lion", max_norm=lambda table: table["bound"])
            middles = medians(runs).merge(runs.drop_duplicates("arm")[["arm", "optimizer", "max_norm"]], on="arm")
            yield Plate(
                f"bounds-{task}", figures.dose_response(runs, middles), middles,
                f"{TITLES[task]}: steps to the grok against the bound on row norms, {len(runs)} runs.",
            )  # fmt: skip
        return
    labelled = rows.assign(arm=[f"{TITLES[task]}: {arm}" for task, arm in zip(rows["task"], rows["arm"], strict=True)])
    if name == "reliability":
        curves = survival(labelled)
        yield Plate(
            name, figures.survival_curves(curves), curves,
            f"Share of networks that have not grokked yet, {len(rows)} runs; bands are pointwise 95% intervals.",
        )  # fmt: skip
        return
    middles = medians(labelled)
    yield Plate(
        name, figures.seed_strips(labelled, middles), middles,
        "Every run at its grok; bars are medians and bands their intervals, of five runs or "
        f"fewer within their range, {len(rows)} runs.",
    )  # fmt: skip
