"""The page: the answer, how large its evidence is, every arm, and what was said before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from grokscope import figures
from grokscope.analysis import names, where
from grokscope.analysis.timing.non_inferiority import MARGIN
from grokscope.disk.tables import csv_bytes
from grokscope.experiments.ledger import FILE
from grokscope.experiments.shown import Shown
from grokscope.experiments.why_clipping import earlier, watched
from grokscope.experiments.why_clipping.abstract import abstract, beside
from grokscope.experiments.why_clipping.by_site import by_site
from grokscope.experiments.why_clipping.declared import CLIP, FREE, Family, families
from grokscope.experiments.why_clipping.hypotheses import HYPOTHESES, QUESTIONS, hypotheses_table, seen
from grokscope.experiments.why_clipping.lacking import lacking
from grokscope.experiments.why_clipping.literature import SOURCES
from grokscope.experiments.why_clipping.methods import methods, twins
from grokscope.experiments.why_clipping.tables import LADDER, as_text, hypotheses_as_text, tasks_as_text
from grokscope.experiments.why_clipping.tasks import MAIN
from grokscope.experiments.why_clipping.wording import FEW, ratio_in_words
from grokscope.experiments.wording import TITLES, by_arm, joined, markdown, steps
from grokscope.figures.plates import Plate
from grokscope.report.page import write_page

TITLE = "Why does clipping weight norms make networks grok sooner?"
COMMAND = "grokscope experiment why-clipping"
TABLE, HYPOTHESES_FILE, SUMMARY = "mechanism.csv", "hypotheses.csv", "summary.md"


def write_why_clipping(
    out: Path,
    rows: pd.DataFrame,
    table: pd.DataFrame,
    closely: Mapping[str, pd.DataFrame],
    missing: Mapping[str, Sequence[str]],
    scale: str,
) -> Path:
    """Write the page, its figures and all its tables; returns the path of the page.

    Arguments:
        rows: of every run that has ended.
        table: of `summary`.
        closely: of `watched.tables`.
        missing: names of the runs of each family that have not ended.
        scale: of the experiment.
    """
    found = hypotheses_table(table)
    sections = [
        _shown(family, where(table, family=family.name), missing.get(family.name, ()))
        for family in families().values()
        if len(where(table, family=family.name))
    ]
    opening = watched_plates(closely)
    ladder = list(_ladder(table))
    regime = regime_plates(closely)
    before = earlier_claims(out, table)
    values = {
        "title": TITLE,
        "abstract": abstract(table),
        "beside": beside(table),
        "by_site": by_site(rows),
        "small": scale == "small",
        "command": COMMAND + ("" if scale == "published" else f" --scale {scale}"),
        "opening": opening,
        "ladder": ladder,
        "hypotheses": hypotheses_as_text(found),
        "tasks": tasks_as_text(table),
        "lacking": lacking(rows),
        "regime": regime,
        "sources": [
            {"cite": one.cite, "title": one.title, "where": one.where, "beside": one.beside(table)} for one in SOURCES
        ],
        "methods": (*methods(rows, table, published=scale == "published"), *twins(rows)),
        "families": sections,
        "earlier": before,
    }
    files = {
        FILE: csv_bytes(rows),
        TABLE: csv_bytes(table),
        HYPOTHESES_FILE: csv_bytes(found),
        SUMMARY: summary_in_markdown(rows, table, found).encode(),
    } | {watched.file_of(name): csv_bytes(made) for name, made in closely.items()}
    plates = [*opening, *ladder, *regime, *(plate for one in sections for plate in one.plates)]
    return write_page(out, "why_clipping.html.j2", plates, values, files)


def watched_plates(closely: Mapping[str, pd.DataFrame]) -> tuple[Plate, ...]:
    """Signal, memory and noise of the two ends; nothing where they have not been trained."""
    if "margins" not in closely:
        return ()
    drawn, runs = (closely[name].replace(_SHOWN) for name in ("margins", "milestones"))
    caption = (
        "With the clip and without, one seed each: how far the right answer leads because of the answer (signal), how "
        "much more it leads where the pair was trained on (memory), how far unseen pairs are from the mean of their "
        "answer (noise), and accuracy."
    )
    return (Plate("signal-memory-noise", figures.signal_and_memory(drawn, runs), drawn, caption),)


def regime_plates(closely: Mapping[str, pd.DataFrame]) -> tuple[Plate, ...]:
    """Where the inputs of the non-linearity lie, of the two ends; nothing where they have not been trained."""
    if "activation_regime" not in closely:
        return ()
    drawn, runs = (closely[name].replace(_SHOWN) for name in ("activation_regime", "milestones"))
    caption = (
        "Where the inputs of gelu lie on its curve, by layer, one seed each: root mean square of the inputs, the share "
        "of them below 1 in absolute value, and which part of the outputs’ variance is linear or quadratic in a "
        "neuron’s input."
    )
    return (Plate("activation-regime", figures.activation_regime(drawn, runs), drawn, caption),)


_SHOWN = {
    "arm": {CLIP: "projection and clip", FREE: "projection alone"},
    "task": TITLES,
}
"""What stands for arms and tasks in those figures."""


def _ladder(table: pd.DataFrame) -> Iterator[Plate]:
    rows = [where(table, task=task, arm=arm) for task in TITLES for arm in LADDER]
    drawn = pd.concat(rows, ignore_index=True)
    drawn = drawn.loc[drawn["ratio"].notna()].rename(columns={"n": "runs", "shared": "seeds"}).reset_index(drop=True)
    if not len(drawn):
        return
    drawn = drawn.assign(margin=MARGIN, panel=drawn["task"].map(TITLES.__getitem__))
    yield Plate(
        "ladder",
        figures.ladder(drawn, LADDER),
        drawn,
        "Steps to the sustained grok relative to projection and clip, over shared seeds, on every task. All arms start "
        "from the projection; those below the first have no clip. An arm whose interval ends in the band is as soon as "
        "the clip.",
    )


def _shown(family: Family, table: pd.DataFrame, missing: Sequence[str]) -> Shown:
    return Shown(
        family.name,
        family.asks,
        "; ".join(f"{name}: {arm.about}" for name, arm in family.arms().items()) + ".",
        tuple(sentences(table)),
        tuple(_of_main(family.name, table)),
        as_text(table),
        tuple(by_arm(missing)),
    )


def _of_main(name: str, table: pd.DataFrame) -> Iterator[Plate]:
    compared = where(table, task=MAIN)
    compared = compared.loc[compared["verdict"] != "reference"]
    if compared["ratio"].notna().any():
        drawn = compared.rename(columns={"n": "runs", "shared": "seeds"}).assign(margin=MARGIN)
        memorise = names(where(drawn, event="memorisation"), "arm")
        other = f" ({joined(memorise)}: to memorisation)" if memorise else ""
        yield Plate(
            f"{name}-{MAIN}",
            figures.ladder(drawn),
            drawn,
            f"{TITLES[MAIN]}: steps to the sustained grok{other} relative to the clip under the same circumstances, "
            "over shared seeds. An arm whose interval ends in the band is as soon as the clip.",
        )


def sentences(table: pd.DataFrame) -> Iterator[str]:
    """Which arms are as soon as the clip, which are later, and which cannot be told."""
    said = {"as soon": "as soon as the clip", "later": "later", "cannot tell": "cannot be told"}
    for task in names(table, "task"):
        of_task = where(table, task=task)
        for verdict, word in said.items():
            found = of_task.loc[of_task["verdict"] == verdict].to_dict("records")
            if found:
                shown = joined([f"{row['arm']} {_seen(row)}" for row in found])
                yield f"{TITLES[task]}: {word}: {shown}."
        for row in where(of_task, arm=CLIP).to_dict("records"):
            yield f"{TITLES[task]}: the clip has its sustained grok at {steps(row['median'])} steps (n = {row['n']})."


def _seen(row: Mapping[str, object]) -> str:
    if pd.isna(row["ratio"]):  # type: ignore[call-overload]
        return f"({row['statement']})"
    few = ", an indication" if pd.notna(row["shared"]) and int(str(row["shared"])) < FEW else ""  # type: ignore[call-overload]
    event = "to memorise " if row["event"] == "memorisation" else ""
    return f"{event}{ratio_in_words(row)}{few}"


def earlier_claims(out: Path, table: pd.DataFrame) -> list[dict[str, object]]:
    """The claims of the earlier experiment, where its tables are in the folder of the report.

    Arguments:
        table: of `summary`, by which a claim says where it is asked today.
    """
    if not (out / earlier.CLAIMS).exists():
        return []
    published = earlier.read_published(pd.read_csv(out / earlier.CLAIMS), pd.read_csv(out / earlier.RUNS))
    return [{"claim": replace(one, now=one.today(table)), "shown": one.shown(published)} for one in earlier.EARLIER]


def summary_in_markdown(rows: pd.DataFrame, table: pd.DataFrame, found: pd.DataFrame) -> str:
    """The abstract, what stands beside it, and what was seen of every hypothesis, as the README has them."""
    told = filter(None, (*abstract(table), beside(table), by_site(rows)))
    answers = [
        (one.says, *(seen(found, one.name, question) for question in QUESTIONS))
        for one in HYPOTHESES
        if len(where(found, hypothesis=one.name))
    ]
    columns = ("clipping speeds up grokking because", "given that alone, a run has", "without it")
    lines = [*(line for sentence in told for line in (sentence, "")), *markdown(columns, answers)]
    return "\n".join(lines) + "\n"
