"""A run and the futures that were branched off it: what was switched, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from grokscope.analysis.dynamics.curves import learning_curves
from grokscope.analysis.tables.declared import over_runs
from grokscope.analysis.tables.identity import IDENTITY
from grokscope.config import differences

if TYPE_CHECKING:
    from grokscope.runs import Run

UNCHANGED = "nothing switched"
COLUMNS = (*IDENTITY, "parent", "role", "branch_step", "switch", "step", "since", "split", "loss", "accuracy", "unit")
_NOT_A_SWITCH = ("arm", "norms.init_", "training.steps", "training.stop_evaluations", "checkpoints.", "probes.")
"""Settings that change no weights of a branch, which starts from those of its parent."""


def is_branch(run: Run) -> bool:
    """Whether a run was branched off another."""
    return run.parent is not None


@over_runs(family="dynamics", needs=("learning_curves",), applies_to=is_branch)
def branches(runs: list[Run]) -> pd.DataFrame:
    """The learning curves of parents and of their branches, aligned at the step where they part.

    A branch belongs to the run among those given that has its parent's name, a branch of a branch to that branch. Runs
    that are neither a parent nor a branch are left out.

    Returns:
        run, task, arm, seed, parent (name of the run that the curve belongs with: a parent's own, a branch's
        parent's), role (`parent`, `branch`), branch_step (of a branch; <NA> for a parent), switch (settings that differ
        from the parent's, `norms.max_norm: none -> 2`; `nothing switched`; `unknown` where the parent is not among the
        runs; empty for a parent), step, since (steps since the branch; <NA> for a parent), split, loss,
        accuracy, unit (of the loss). A branch begins at its branch step, at which it has the parent's weights.

    Raises ValueError for no runs, and for two of one name.
    """
    by_name = {run.name: run for run in runs}
    parents = {_parent(run) for run in runs} & by_name.keys()
    parts = []
    for run in runs:
        curves = learning_curves(run)
        if run.name in parents:
            keys = {"parent": run.name, "role": "parent", "switch": ""}
            parts.append(curves.assign(**keys, branch_step=pd.NA, since=pd.NA))
        if run.parent is not None:
            step = int(run.parent["step"])
            keys = {"parent": _parent(run), "role": "branch", "switch": switch(run, by_name.get(str(_parent(run))))}
            after = curves.loc[curves["step"] >= step]
            parts.append(after.assign(**keys, branch_step=step, since=after["step"] - step))
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    whole = {"branch_step": "Int64", "since": "Int64"}
    every_curve = pd.concat([part.astype(whole) for part in parts], ignore_index=True)
    return every_curve.reindex(columns=list(COLUMNS))


def switch(branch: Run, parent: Run | None) -> str:
    """The settings in which a branch differs from its parent, as text."""
    if parent is None:
        return "unknown"
    changed = differences(parent.config, branch.config)
    switched = [
        f"{name}: {_value(old)} -> {_value(new)}"
        for name, (old, new) in changed.items()
        if not name.startswith(_NOT_A_SWITCH)
    ]
    return ", ".join(switched) or UNCHANGED


def _parent(run: Run) -> str | None:
    """The name of the run that it branched off."""
    return None if run.parent is None else str(run.parent["run"])


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return "+".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
