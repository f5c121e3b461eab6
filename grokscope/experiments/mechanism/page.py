"""The page: every family with its ladder, its numbers and what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from grokscope import figures
from grokscope.analysis import names, numbers, where
from grokscope.analysis.timing.non_inferiority import MARGIN
from grokscope.experiments.ledger import FILE
from grokscope.experiments.mechanism.declared import CLIP, Family, families
from grokscope.experiments.published_tables.trained import TITLES
from grokscope.experiments.shown import Shown
from grokscope.experiments.wording import by_arm, joined
from grokscope.figures.plates import Plate
from grokscope.report import Table
from grokscope.report.page import write_page

TITLE = "What does the clip do that makes it grok sooner?"
COMMAND = "grokscope experiment mechanism"
TABLE = "mechanism.csv"
VERDICTS = {"as soon": "as soon as the clip", "later": "later", "cannot tell": "cannot be told"}
FEW = 5
"""Seeds below which a verdict is called an indication."""


def write_mechanism(
    out: Path, rows: pd.DataFrame, table: pd.DataFrame, missing: Mapping[str, Sequence[str]], scale: str
) -> Path:
    """Write the page, its figures, `runs.csv` and `mechanism.csv`; returns the path of the page.

    Arguments:
        rows: of every run that has ended.
        table: of `summary`.
        missing: names of the runs of each family that have not ended.
        scale: of the experiment.
    """
    sections = [
        _shown(family, where(table, family=family.name), missing.get(family.name, ()))
        for family in families().values()
        if len(where(table, family=family.name))
    ]
    values = {
        "title": TITLE,
        "opening": _opening(rows, scale),
        "command": COMMAND + ("" if scale == "published" else f" --scale {scale}"),
        "tables": sections,
    }
    beside = {FILE: rows.to_csv(index=False).encode(), TABLE: table.to_csv(index=False).encode()}
    return write_page(out, "published.html.j2", [plate for one in sections for plate in one.plates], values, beside)


def _opening(rows: pd.DataFrame, scale: str) -> tuple[str, ...]:
    hours = float(numbers(rows, "observed_seconds").sum()) / 3600
    told = (
        "Clipping the norm of every row after each step makes a small transformer grok sooner. Here runs without the "
        "clip are given one thing that it does, and runs with it lose one. An explanation takes the clip’s place if "
        f"such a run groks as soon: if the one-sided 95% upper end of the geometric mean, over shared seeds, of its "
        f"time over the clip’s is at most {MARGIN:g}. Times are of the sustained grok, in steps. All networks start "
        "from the projection unless said otherwise, and have the published residual (the first norm of a block "
        "overwrites the stream).",
        f"{len(rows)} runs, {hours:.1f} hours of training on one core. Fewer than {FEW} shared seeds are an "
        "indication, and a verdict on one task is about that task.",
    )
    small = ("This is the small scale: it shows that every part works, and its numbers mean nothing.",)
    return told + (small if scale == "small" else ())


def _shown(family: Family, table: pd.DataFrame, missing: Sequence[str]) -> Shown:
    return Shown(
        family.name,
        family.asks,
        "; ".join(f"{name}: {arm.about}" for name, arm in family.arms().items()) + ".",
        tuple(sentences(table)),
        tuple(_ladders(family.name, table)),
        as_text(table),
        tuple(by_arm(missing)),
    )


def _ladders(name: str, table: pd.DataFrame) -> Iterator[Plate]:
    for task in names(table, "task"):
        compared = where(table, task=task)
        compared = compared.loc[compared["ratio"].notna() & (compared["verdict"] != "reference")]
        if not len(compared):
            continue
        drawn = compared.rename(columns={"n": "runs", "shared": "seeds"}).assign(margin=MARGIN)
        yield Plate(
            f"{name}-{task}",
            figures.ladder(drawn),
            drawn,
            f"{TITLES[task]}: steps to the sustained grok relative to the clip under the same circumstances, over "
            "shared seeds. An arm whose interval lies in the band is as soon as the clip.",
        )


def sentences(table: pd.DataFrame) -> Iterator[str]:
    """Which arms are as soon as the clip, which are later, and which cannot be told."""
    for task in names(table, "task"):
        of_task = where(table, task=task)
        for verdict, words in (
            ("as soon", "as soon as the clip"),
            ("later", "later"),
            ("cannot tell", "cannot be told"),
        ):
            found = of_task.loc[of_task["verdict"] == verdict]
            if len(found):
                shown = joined([_in_words(row) for row in found.to_dict("records")])
                yield f"{TITLES[task]}: {words}: {shown}."
        (clip,) = where(of_task, arm=CLIP).to_dict("records") if CLIP in names(of_task, "arm") else (None,)
        if clip is not None:
            yield f"{TITLES[task]}: the clip has its sustained grok at {clip['median']:,.0f} steps (n = {clip['n']})."


def _in_words(row: Mapping[str, object]) -> str:
    if pd.isna(float(str(row["ratio"]))):
        return f"{row['arm']} ({row['statement']})"
    sign = "≥ " if row["is_lower_bound"] is True else ""
    few = ", an indication" if int(row["shared"]) < FEW else ""  # type: ignore[call-overload]
    return f"{row['arm']} ({sign}{row['ratio']:.2f}×, n = {row['shared']}{few})"


def as_text(table: pd.DataFrame) -> Table:
    """The numbers as they stand on the page."""
    columns = ("task", "arm", "runs", "reached", "median", "first grok", "ratio (90%)", "share", "verdict")
    columns += ("signal", "memory", "noise")
    written = []
    for row in table.to_dict("records"):
        sign = "≥ " if row["is_lower_bound"] is True else ""
        interval = "" if pd.isna(row["low"]) else f" ({row['low']:.2f} to {_number(row['high'], 2)})"
        cells = (
            TITLES[str(row["task"])], row["arm"], row["n"], row["reached"], _number(row["median"]),
            _number(row["first_median"]), "–" if pd.isna(row["ratio"]) else f"{sign}{row['ratio']:.2f}{interval}",
            "–" if pd.isna(row["share"]) else f"{row['share']:.0%}".replace("-", "−"), row["verdict"],
            *(_number(row[f"{name}_at_grok"], 1) for name in ("signal", "memory", "noise_val")),
        )  # fmt: skip
        written.append(tuple(map(str, cells)))
    caption = (
        "Runs that reached the sustained grok (of random labels: memorisation), median steps to it and to the first "
        "grok; the ratio of geometric means over shared seeds with two one-sided 95% ends; the share of the clip’s "
        "speed-up, in logarithms; signal, memory and noise at the grok."
    )
    return Table(columns, tuple(written), frozenset(columns[2:8] + columns[9:]), caption)


def _number(value: object, digits: int = 0) -> str:
    number = float(str(value))
    return "–" if pd.isna(number) else "∞" if number == float("inf") else f"{number:,.{digits}f}"
