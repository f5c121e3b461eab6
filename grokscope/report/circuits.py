"""The section of a report about circuits: which irreps (frequencies) the networks compute with, and since when."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from grokscope import figures
from grokscope.analysis import applicable, milestones, run_all, select
from grokscope.figures.circuit_panels import last_checkpoint
from grokscope.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from grokscope.runs import Run

TABLES = ("keys", "neurons", "logit_characters", "restricted_loss", "circles", "onset")
Drawn = tuple[str, "Figure", pd.DataFrame, str]
"""Name, figure, table, caption."""


def chosen(runs: Sequence[Run]) -> list[Run]:
    """One run for each task and arm whose task has a group and that has checkpoints: the first that grokked, or else
    the first. Seeds of an arm compute with irreps of their own, and each takes a minute to look through."""
    best: dict[tuple[str, str], Run] = {}
    for run in runs:
        key = (run.task.name, run.config.arm)
        if run.steps and applicable(run) and (key not in best or (best[key].grok_step is None and run.grok_step)):
            best[key] = run
    return list(best.values())


def circuit_tables(runs: Sequence[Run]) -> dict[str, pd.DataFrame]:
    """The tables of the section over several runs, by name."""
    workers = min(4, os.cpu_count() or 1)
    progress = sys.stderr.isatty()
    parts = [run_all(run, TABLES, workers, progress=progress) for run in runs]
    return {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in TABLES}


def drawn(runs: Sequence[Run], tables: dict[str, pd.DataFrame]) -> list[Drawn]:
    """The figures of the section."""
    reached = milestones(runs)
    embed = select.rows(tables["keys"], site="embed")
    losses = select.rows(tables["restricted_loss"], basis="own", set="hindsight")
    neurons, characters = last_checkpoint(tables["neurons"]), last_checkpoint(tables["logit_characters"])
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
            "arithmetic's (down), where there is nothing to be found.",
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
            "neuron_clusters",
            figures.neuron_clusters(neurons),
            neurons,
            "Share of each neuron's variance over all pairs of operands that its irrep explains, at the end.",
        ),
        (
            "logit_characters",
            figures.logit_characters(characters),
            characters,
            "Share of the centred logits that each character of a*b*c^-1 explains, at the end.",
        ),
    ]
    for run in select.names(tables["circles"], "run") if len(tables["circles"]) else []:
        points = select.rows(tables["circles"], run=run)
        if len(points):
            found.append(
                (
                    f"circles_{run}",
                    figures.embedding_circles(points),
                    points,
                    f"{run}: the final embedding on the plane of each key irrep, in brackets its power; coloured by "
                    "the element times the frequency, once around.",
                )
            )
    return found


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
