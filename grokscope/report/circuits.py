"""The section of a report about circuits: which irreps (frequencies) the networks compute with, and since when."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from grokscope import figures
from grokscope.analysis import applicable, milestones, run_all
from grokscope.analysis.tables import select
from grokscope.figures.circuit.circuit_panels import last_checkpoint
from grokscope.report.choosing import one_of_each_arm
from grokscope.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from grokscope.runs import Run

TABLES = (
    "keys",
    "neurons",
    "irrep_blocks",
    "logit_characters",
    "restricted_loss",
    "ablation",
    "clock_pizza",
    "circles",
    "embedding_overlap",
    "onset",
)
SHARED = (
    " In a mixed task the wrong basis of one operation may be the own basis of another: what shows there in the "
    "embedding, and in layers that do not yet tell operations apart, is there for that one."
)
"""Said of controls where there is a mixed task."""
Drawn = tuple[str, "Figure", pd.DataFrame, str]
"""Name, figure, table, caption."""


def chosen(runs: Sequence[Run]) -> list[Run]:
    """One run of each arm whose task has a group: seeds of an arm compute with irreps of their own, and each takes a
    minute to look through."""
    return one_of_each_arm(run for run in runs if "keys" in applicable(run))


def circuit_tables(runs: Sequence[Run]) -> dict[str, pd.DataFrame]:
    """The tables of the section over several runs, by name."""
    workers = min(4, os.cpu_count() or 1)
    progress = sys.stderr.isatty()
    parts = [
        run_all(run, [name for name in TABLES if name in applicable(run)], workers, progress=progress) for run in runs
    ]
    made = {name: [part[name] for part in parts if name in part] for name in TABLES}
    return {name: pd.concat(tables, ignore_index=True) for name, tables in made.items() if tables}


def drawn(runs: Sequence[Run], tables: dict[str, pd.DataFrame]) -> list[Drawn]:
    """The figures of the section."""
    reached = milestones(runs)
    embed = select.rows(tables["keys"], site="embed")
    losses = select.rows(tables["restricted_loss"], basis="own", set="hindsight")
    neurons, characters = last_checkpoint(tables["neurons"]), last_checkpoint(tables["logit_characters"])
    shared = SHARED if "embedding_overlap" in tables else ""
    removed = last_checkpoint(tables["ablation"])
    one = "Of each arm one run is shown, the first that grokked. "
    found: list[Drawn] = [
        (
            "spectrum_over_training",
            figures.spectrum_over_training(embed, reached),
            select.rows(embed, basis="own"),
            one + "Share of the embedding's variance over group elements that each irrep of the task's group (each "
            "frequency, for a cyclic group) carries, at every checkpoint. Labelled are the key irreps of the final "
            "checkpoint, those that exceed the null of random relabellings at a family-wise level of 0.01.",
        ),
        (
            "right_and_wrong_basis",
            figures.right_and_wrong_basis(embed),
            last_checkpoint(embed),
            "The final embedding's spectrum in the basis of the group that the task computes in (up) and of the other "
            "arithmetic's (down), where there is nothing to be found." + shared,
        ),
        (
            "circuit_losses",
            figures.circuit_losses(losses, reached),
            losses,
            "Loss of the network restricted to the final checkpoint's key irreps, and with them excluded, beside its "
            "own. Level logits: characters of a*b*c^-1 in the logits; level neurons: functions of a*b in the last "
            "MLP's activations.",
        ),
        (
            "irrep_losses",
            figures.irrep_losses(tables["restricted_loss"]),
            last_checkpoint(tables["restricted_loss"]),
            "Validation loss at the end with the characters (level logits) or functions of a*b (level neurons) of one "
            "irrep alone, and without those of one irrep.",
        ),
        (
            "ablation",
            figures.ablation(removed),
            removed,
            "Validation loss and accuracy of the final network without its key irreps: removed from the embedding, "
            "from the last MLP's neurons or from the logits. Controls: instead of them others of the same basis, "
            "scaled to equal power; and as many irreps of the wrong basis, those of largest power in the embedding."
            + shared,
        ),
        (
            "neuron_clusters",
            figures.neuron_clusters(neurons),
            neurons,
            "Share of each neuron's variance over all pairs of operands that its irrep explains, at the end." + shared,
        ),
        (
            "irrep_blocks",
            figures.irrep_blocks(tables["irrep_blocks"]),
            tables["irrep_blocks"],
            "Through which irrep of a and of b the neurons of each layer depend on both, at the end. On the diagonal "
            "it is the same, as in functions of a*b; in the first row and column the other operand does not matter.",
        ),
        (
            "learning_order",
            figures.learning_order(tables["onset"], reached),
            tables["onset"],
            "When each key irrep of the final checkpoint began to carry more power in the embedding than its null, for "
            "good, in the order in which they came: between two checkpoints, as wide as the bar.",
        ),
        (
            "logit_characters",
            figures.logit_characters(characters),
            characters,
            "Share of the centred logits that each character of a*b*c^-1 explains, at the end.",
        ),
    ]
    with_keys = select.names(select.rows(tables["circles"], basis="own"), "run")
    for number, run in enumerate(with_keys, start=1):
        points = select.rows(tables["circles"], run=run)
        found.append(
            (
                # By number: a run's name need not be one that a file can have.
                "circles" if len(with_keys) == 1 else f"circles_{number}",
                figures.embedding_circles(points),
                points,
                f"{run}: the final embedding on the plane of each key irrep, in brackets its power; coloured by "
                "the element times the frequency, once around. Under them in grey, where the task has a wrong basis, "
                "the irreps of largest power in that, on whose planes numbers lie on no circle.",
            )
        )
    return found


def algorithm_table(tables: dict[str, pd.DataFrame]) -> Table:
    """Clock or pizza, at the end of each run, in either basis."""
    rows = []
    for row in last_checkpoint(tables["clock_pizza"]).to_dict("records"):
        values = (row[name] for name in ("gradient_symmetricity", "distance_irrelevance", "circularity"))
        cells = ("–" if pd.isna(value) else f"{value:.3f}" for value in values)
        rows.append((str(row["run"]), str(row["operation"]), f"{row['basis']} ({row['group']})", *cells))
    caption = (
        "Clock or pizza (Zhong et al. 2023), at the last checkpoint. Gradient symmetricity is near 1 for a pizza; "
        "distance irrelevance 0 for a pizza and 1 for a clock; circularity 1 where each principal component of the "
        "embedding is of one irrep. The rows of the wrong basis are the control."
    )
    columns = ("run", "operation", "basis", "gradient symmetricity", "distance irrelevance", "circularity")
    return Table(columns, tuple(rows), frozenset(columns[3:]), caption)


def overlap_table(tables: dict[str, pd.DataFrame]) -> Table | None:
    """What the groups of a mixed task share of the embedding, at the end of each run; None without a mixed task."""
    if "embedding_overlap" not in tables:
        return None
    last = select.rows(last_checkpoint(tables["embedding_overlap"]), set="hindsight", angle=1)
    rows = tuple(
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
    return Table(columns, rows, frozenset(columns[3:]), caption)


def onset_table(tables: dict[str, pd.DataFrame]) -> Table:
    """When each key irrep passed its null, and when the losses had half fallen, before the grok."""
    rows = []
    for row in tables["onset"].to_dict("records"):
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
        rows.append((str(row["run"]), str(row["operation"]), what, *steps))
    caption = (
        "By which step (to the spacing of checkpoints) each key irrep of the final checkpoint carries more power in "
        "the embedding than its null for good, and the validation losses have first fallen half way to their lowest; "
        "and how many steps before the grok that is."
    )
    columns = ("run", "operation", "what", "by step", "lead on the grok")
    return Table(columns, tuple(rows), frozenset(columns[3:]), caption)
