"""Which irreps (frequencies) the networks compute with, and since when. It shows tasks that have a group.

One run of each arm is shown: seeds of an arm compute with irreps of their own, and each takes a minute to analyse.
"""

from __future__ import annotations

import pandas as pd

from grokscope.analysis import applicable
from grokscope.analysis.tables import select
from grokscope.figures.circuit.circuit_panels import last_checkpoint
from grokscope.report.plate import DeclaredSection, DeclaredTable, Table


def onset_table(onsets: pd.DataFrame) -> Table:
    """When each key irrep passed its null, when the losses had half fallen, and how long before the grok that was."""
    lines = []
    for row in onsets.to_dict("records"):
        quantity, level = str(row["quantity"]), str(row["level"])
        if quantity == "power":
            what = f"{row['irrep']} passes its null"
        elif row["split"] != "val" or (quantity, level) == ("full_loss", "neurons"):
            continue
        elif quantity == "full_loss":
            what = "validation loss half fallen"
        else:
            what = f"restricted loss ({level}) half fallen"
        steps = ("–" if pd.isna(row[name]) else f"{row[name]:,}" for name in ("by", "lead_least"))
        lines.append((str(row["run"]), str(row["operation"]), what, *steps))
    caption = (
        "By which step (to the spacing of checkpoints) each key irrep of the final checkpoint carries more power in "
        "the embedding than its null for good, and the validation losses have first fallen half way to their lowest; "
        "and how many steps before the grok that is."
    )
    columns = ("run", "operation", "what", "by step", "lead on the grok")
    return Table(columns, tuple(lines), frozenset(columns[3:]), caption)


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
        DeclaredTable("clock_pizza", algorithm_table),
        DeclaredTable("embedding_overlap", overlap_table),
    ),
    shows=lambda run: "keys" in applicable(run),
)
