"""Which irreps (frequencies) the networks compute with, and since when. It shows tasks that have a group.

One run of each arm is shown: seeds of an arm compute with irreps of their own, and each takes a minute to analyse.
"""

from __future__ import annotations

import pandas as pd

from grokscope.analysis import applicable
from grokscope.analysis.circuit.restricted import FAR, READINGS, reading_that_holds
from grokscope.analysis.tables import select
from grokscope.figures.circuit.circuit_panels import last_checkpoint
from grokscope.report.plate import DeclaredSection, DeclaredTable, Table

READING_WORDS = {
    "key": "its key irreps",
    "characters": "characters of more irreps",
    "answer": "other functions of the answer",
    "none": "none of these",
}


def onset_table(onsets: pd.DataFrame) -> Table:
    """When each key irrep passed its null, when losses fell below 1 nat, and how long before the grok that was."""
    lines = []
    for row in onsets.to_dict("records"):
        quantity, level = str(row["quantity"]), str(row["level"])
        if quantity == "power":
            what = f"{row['irrep']} passes its null"
        elif row["split"] != "val" or (quantity, level) == ("full_loss", "neurons"):
            continue
        else:
            what = _level_passed(quantity, level, float(row["threshold"]))
        steps = ("–" if pd.isna(row[name]) else f"{row[name]:,}" for name in ("by", "lead_least"))
        lines.append((str(row["run"]), str(row["operation"]), what, *steps))
    caption = (
        "By which step (to the spacing of checkpoints) each key irrep of the final checkpoint carries more power in "
        "the embedding than its null for good; by which step the validation loss, and that of the network restricted "
        "to every function of the answer, are first below 3, 1 and 0.1 nats, and its accuracy above 0.95; and how many "
        "steps before the grok that is."
    )
    columns = ("run", "operation", "what", "by step", "lead on the grok")
    return Table(columns, tuple(lines), frozenset(columns[3:]), caption)


def _level_passed(quantity: str, level: str, threshold: float) -> str:
    """What was passed, in words."""
    if quantity == "full_loss":
        return f"validation loss below {threshold:g}"
    if quantity == "restricted_loss":
        return f"loss restricted to the answer ({level}) below {threshold:g}"
    return f"accuracy restricted to the answer ({level}) above {threshold:g}"


def reading_table(losses: pd.DataFrame) -> Table:
    """Which reading accounts for each network at the last checkpoint: its key irreps, all characters, or the answer."""
    lines = []
    for row in reading_that_holds(last_checkpoint(select.where(losses, split="val"))).to_dict("records"):
        values = (f"{row[name]:.3f}" for name in ("full_loss", *READINGS))
        holds = READING_WORDS[str(row["reading"])]
        lines.append((str(row["run"]), str(row["operation"]), str(row["level"]), *values, holds))
    caption = (
        "Validation loss (nats) at the last checkpoint, of the network and of the network restricted to the characters "
        "(level logits) or functions of a*b (level neurons) of the key irreps, of all irreps, and to every function of "
        "the answer. The last column names the reading that accounts for the network, the one that asks for most: its "
        f"restricted loss is at most {FAR:g} above the full loss. Where that is not the key irreps, the network "
        "computes by more than them, and their restricted and excluded losses say little about it."
    )
    columns = ("run", "operation", "level", "full", "key irreps", "all characters", "answer", "it answers by")
    return Table(columns, tuple(lines), frozenset(columns[3:7]), caption)


def algorithm_table(readings: pd.DataFrame) -> Table:
    """Clock or pizza at the last checkpoint of each run, in the own and in the wrong basis."""
    lines = []
    for row in last_checkpoint(readings).to_dict("records"):
        values = (row[name] for name in ("gradient_symmetricity", "distance_irrelevance", "circularity"))
        cells = ("–" if pd.isna(value) else f"{value:.3f}" for value in values)
        lines.append((str(row["run"]), str(row["operation"]), f"{row['basis']} ({row['group']})", *cells))
    caption = (
        "Clock or pizza (Zhong et al. 2023), at the last checkpoint. Gradient symmetricity is near 1 for a pizza; "
        "distance irrelevance 0 for a pizza and 1 for a clock; circularity 1 where each principal component of the "
        "embedding is of one irrep. The rows of the wrong basis are the control."
    )
    columns = ("run", "operation", "basis", "gradient symmetricity", "distance irrelevance", "circularity")
    return Table(columns, tuple(lines), frozenset(columns[3:]), caption)


def overlap_table(overlaps: pd.DataFrame) -> Table:
    """How much of the embedding the groups of a mixed task share, at the last checkpoint of each run."""
    last = select.where(last_checkpoint(overlaps), set="hindsight", angle=1)
    lines = tuple(
        (
            str(row["run"]),
            f"{row['group']}, {row['other_group']}",
            f"{row['dimension']}, {row['other_dimension']}",
            f"{row['degrees']:.1f}",
            f"{row['mean_square']:.3f}",
            f"{row['random_mean_square']:.3f}",
        )
        for row in last.to_dict("records")
    )
    caption = (
        "Directions of the embedding that a mixed task's groups share, at the last checkpoint: principal angles "
        "(in degrees) between the subspaces in which it varies through the key irreps of each. Mean cos^2 of random "
        "subspaces of these dimensions for comparison. No row for a run in which a group has no key irreps."
    )
    columns = ("run", "groups", "dimensions", "smallest angle", "mean cos^2", "random")
    return Table(columns, lines, frozenset(columns[3:]), caption)


SECTION = DeclaredSection(
    "circuit",
    "Circuits",
    (
        DeclaredTable("onset", onset_table),
        DeclaredTable("restricted_loss", reading_table),
        DeclaredTable("clock_pizza", algorithm_table),
        DeclaredTable("embedding_overlap", overlap_table),
    ),
    shows=lambda run: "keys" in applicable(run),
)
