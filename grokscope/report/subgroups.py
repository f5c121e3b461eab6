"""The section of a report about subgroups: cosets or representations, for tasks in a group that is not abelian.

In an abelian group the two readings are hardly rivals: a frequency of Z_n already is a function on cosets wherever it
shares a divisor with n.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from grokscope import figures
from grokscope.analysis import applicable, milestones, neuron_grid, run_all
from grokscope.analysis.cosets.neuron_grid import most_coset_like
from grokscope.analysis.tables import select
from grokscope.report.choosing import one_of_each_arm

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from grokscope.runs import Run

TABLES = ("cosets", "coset_matrix", "coset_summary", "readings", "coset_ablation")
Drawn = tuple[str, "Figure", pd.DataFrame, str]
"""Name, figure, table, caption."""


def chosen(runs: Sequence[Run]) -> list[Run]:
    """One run for each task and arm in a group that is not abelian and has proper subgroups."""
    return [
        run
        for run in one_of_each_arm(runs)
        if "cosets" in applicable(run) and any(not operation.group.is_abelian for operation in run.task.operations)
    ]


def drawn(runs: Sequence[Run]) -> list[Drawn]:
    """The figures of the section; none for runs without such a group."""
    if not runs:
        return []
    workers, progress = min(4, os.cpu_count() or 1), sys.stderr.isatty()
    parts = [run_all(run, TABLES, workers, progress=progress) for run in runs]
    tables = {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in TABLES}
    reached = milestones(runs)
    found: list[Drawn] = [
        (
            "coset_concentration",
            figures.coset_concentration(tables["coset_matrix"]),
            tables["coset_matrix"],
            "How far each neuron is from being constant on the cosets of a subgroup (0: constant), at the last "
            "checkpoint: the smallest over conjugates and sides, by class of subgroups. Small subgroups have small "
            "values whatever a neuron does; framed are classes that are the best of some neurons, allowing for that.",
        ),
        (
            "coset_counts",
            figures.coset_counts(tables["coset_summary"], reached),
            tables["coset_summary"],
            "Neurons that each class of subgroups explains: at least 0.85 of their variance with an operand is between "
            "cosets, and more than between random partitions of the same sizes (1% level).",
        ),
        (
            "readings",
            figures.readings(tables["readings"], reached),
            tables["readings"],
            "Which reading fits: share of each neuron's variance over held-out pairs that is explained by one irrep "
            "(functions of a, of b and of a*b), and by a table over cosets of a and of b that has no more parameters.",
        ),
        (
            "coset_ablation",
            figures.coset_ablation(tables["coset_ablation"]),
            tables["coset_ablation"],
            "Validation loss and accuracy at the end without the last layer's neurons that a class of subgroups "
            "explains, each replaced by its mean, beside random neurons of as much variance.",
        ),
    ]
    for number, run in enumerate(runs, start=1):
        layer, neuron = most_coset_like(select.rows(tables["cosets"], run=run.name))
        grid = neuron_grid(run, layer, neuron)
        name = "neuron_on_grid" if len(runs) == 1 else f"neuron_on_grid_{number}"
        caption = (
            f"{run.name}: the neuron of largest score for a subgroup of more than two cosets, among those with at "
            "least a tenth of the largest variance, at all pairs, sorted by its best cosets in each operand."
        )
        found.append((name, figures.neuron_on_grid(grid), grid, caption))
    return found
