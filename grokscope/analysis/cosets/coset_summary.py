"""How many neurons each class of subgroups explains, and how much of their layer's variance those have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from grokscope.analysis.checkpoint.checkpoint import Scope
from grokscope.analysis.cosets.cosets import cosets
from grokscope.analysis.cosets.partitions import coset_frames, coset_partitions
from grokscope.analysis.tables.identity import each_run

if TYPE_CHECKING:
    from grokscope.runs import Run

OPERANDS = ("left", "right", "either")
KEYS = ["step", "operation", "layer"]


@each_run
def coset_summary(run: Run) -> pd.DataFrame:
    """Neurons that each class of subgroups explains, at every checkpoint; made of the kept table `cosets`.

    Returns:
        run, task, arm, seed, step, operation, basis, group, layer, operand (`left`, `right`, or `either`: a neuron
        that the class explains in one operand or in both counts once), subgroup (class; `any`: all together), order and
        index (<NA> for `any`), n_explained, n_beyond_irrep (of those, how many are more constant on cosets than random
        functions of their own irrep, in an operand that the class explains), share_of_variance (of the n_explained,
        over pairs, in the layer's), n_neurons (of the layer).
    """
    table = cosets(run)
    whole = _sums(table.drop_duplicates([*KEYS, "neuron"]), KEYS)
    explained = table.loc[table["explains"]]
    explained = pd.concat([explained, explained.assign(operand="either")], ignore_index=True)
    explained = pd.concat([explained, explained.assign(subgroup="any")], ignore_index=True)
    # Of a neuron's two operands under `either`, the one that is beyond its irrep's null.
    explained = explained.sort_values("beyond_irrep", ascending=False, kind="stable")
    once = explained.drop_duplicates([*KEYS, "neuron", "operand", "subgroup"])
    counted = _sums(once, [*KEYS, "operand", "subgroup"])
    parts = [_rows(run, operation, counted, whole) for operation in dict.fromkeys(table["operation"])]
    return pd.concat(parts, ignore_index=True)


def _sums(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The neurons' variance, how many there are, and how many of them are beyond their irrep's null."""
    groups = rows.groupby(keys)
    return pd.DataFrame(groups["neuron_variance"].agg(["sum", "size"])).assign(beyond=groups["beyond_irrep"].sum())


def _rows(run: Run, operation: str, counted: pd.DataFrame, whole: pd.DataFrame) -> pd.DataFrame:
    """Every class at every checkpoint, 0 where it explains nothing."""
    frame = next(frame for frame in coset_frames(Scope(run)) if frame.operation == operation)
    classes = {found.name: found for found in coset_partitions(frame.group).classes}
    at = whole.xs(operation, level="operation", drop_level=False).index
    index = pd.MultiIndex.from_tuples(
        [(*key, operand, name) for key in at for operand in OPERANDS for name in (*classes, "any")],
        names=[*KEYS, "operand", "subgroup"],
    )
    found = counted.reindex(index, fill_value=0)
    layer = whole.reindex(index.droplevel(["operand", "subgroup"]))
    names = index.get_level_values("subgroup")
    variance = layer["sum"].to_numpy()
    return pd.DataFrame(
        {
            "step": index.get_level_values("step"),
            **frame.keys,
            "layer": index.get_level_values("layer"),
            "operand": pd.array(index.get_level_values("operand"), dtype="string"),
            "subgroup": pd.array(names, dtype="string"),
            "order": pd.array([classes[x].order if x in classes else None for x in names], dtype="Int64"),
            "index": pd.array([classes[x].index if x in classes else None for x in names], dtype="Int64"),
            "n_explained": found["size"].to_numpy(dtype=int),
            "n_beyond_irrep": found["beyond"].to_numpy(dtype=int),
            "share_of_variance": found["sum"].to_numpy() / np.where(variance > 0, variance, np.inf),
            "n_neurons": layer["size"].to_numpy(dtype=int),
        }
    )
