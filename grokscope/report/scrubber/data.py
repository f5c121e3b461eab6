"""The data of a scrubber: tables of some runs, rounded, and thinned to the stops of one slider."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.colors import to_hex

from grokscope.analysis import (
    applicable,
    check_names,
    learning_curves,
    milestones,
    names,
    norm_trajectories,
    numbers,
    reached,
    run_all,
    where,
)
from grokscope.analysis.circuit.circles import is_cyclic
from grokscope.capacity import usable_cores
from grokscope.figures import style
from grokscope.figures.dynamics.over_steps import PARAMETER_GROUP_COLOUR, PARAMETER_GROUP_TITLE
from grokscope.report.scrubber.colours import both_themes
from grokscope.report.scrubber.frames import MOST, common_steps, fraction, shown_at, thinned
from grokscope.runs.layout import task_label

if TYPE_CHECKING:
    from grokscope.runs import Run
    from grokscope.tasks import Task

MOST_RUNS = 3
DIGITS = 4
"""Significant digits of every number except coordinates."""
BUDGET = 2_000_000
"""About how many bytes the data of a fragment may have."""
ELEMENT_BYTES = 37
"""Bytes of each element of a cyclic group, in one run at one stop: 5 numbers."""
FEWEST = 20
CURVE_POINTS = 240
"""How many evaluations of a run its curves are drawn through, at most."""
EARLY = 0.05
"""A milestone before this share of the steps is too early to be seen on a linear axis."""
CURVES = tuple(f"{split}_{quantity}" for quantity in ("accuracy", "loss") for split in ("train", "val"))
MARGINS = {
    "signal": ("signal", "#0072B2"),
    "memory": ("memory", "#D55E00"),
    "noise_val": ("noise", "#999999"),
}
"""Columns of `margins` that are shown, what they are called, and their colours."""
Data = dict[str, Any]
"""A dictionary that JSON can hold."""


def scrubber_data(runs: Sequence[Run]) -> Data:
    """Everything that the scrubber of some runs shows, in values that JSON can hold.

    Numbers are those of the tables `margins`, `keys` (site `embed`, the own basis), `embedding_planes`,
    `norm_trajectories` and `learning_curves`, rounded to 4 significant digits; coordinates are rounded to a thousandth
    of the largest.

    Raises ValueError for no runs or more than three, two of one name, runs of different tasks, and a run without
    checkpoints.
    """
    check_runs(runs)
    table = milestones(runs)
    wanted = [int(step) for step in _milestone_steps(table)]
    steps = common_steps([run.steps for run in runs], wanted, most_stops(runs[0].task, len(runs)))
    colours = style.arm_colours(table)
    norms, curves = where(norm_trajectories(runs), parameter=""), learning_curves(runs)
    made = [
        {**_run(run, row, steps), **_analysed(run, steps), **_dynamics(run.name, norms, curves, _own(run, steps))}
        for run, row in zip(runs, table.to_dict("records"), strict=True)
    ]
    for run in made:
        run["colour"] = both_themes(colours[run["arm"]])
    groups = [group for group in PARAMETER_GROUP_TITLE if any(group in run["norms"] for run in made)]
    return {
        "task": runs[0].task.name,
        "margins": [
            {"key": key, "title": title, "colour": both_themes(colour)} for key, (title, colour) in MARGINS.items()
        ],
        "steps": steps,
        "step_axis": _step_axis(table, steps[-1]),
        "groups": [
            {
                "key": g,
                "title": PARAMETER_GROUP_TITLE[g],
                "colour": None if g == "all" else both_themes(PARAMETER_GROUP_COLOUR[g]),
            }
            for g in groups
        ],
        "runs": made,
    }


def check_runs(runs: Sequence[Run]) -> None:
    """Raise ValueError unless a scrubber can show these runs beside one another."""
    check_names(runs)
    if len(runs) > MOST_RUNS:
        raise ValueError(f"a scrubber shows up to {MOST_RUNS} runs beside one another; {len(runs)} were given")
    tasks = {run.name: task_label(run.config.task) for run in runs}
    if len(set(tasks.values())) > 1:
        listed = ", ".join(f"{name}: {task}" for name, task in tasks.items())
        raise ValueError(f"a scrubber shows runs of one task, and these are of several ({listed})")
    empty = [run.name for run in runs if not run.steps]
    if empty:
        raise ValueError(f"no checkpoints in run {', '.join(map(repr, empty))}: there is nothing to drag through")


def most_stops(task: Task, runs: int) -> int:
    """How many stops the slider may have for the data of that many runs to stay below `BUDGET`.

    What grows with the task is the embedding of cyclic groups: two coordinates of every element on two planes, and
    the power and the threshold of half as many frequencies.
    """
    groups = {operation.group.name: operation.group for operation in task.operations}
    elements = sum(group.order for group in groups.values() if is_cyclic(group))
    return min(MOST, max(FEWEST, BUDGET // max(1, ELEMENT_BYTES * elements * runs)))


def _step_axis(table: pd.DataFrame, last: int) -> str:
    """The axis of steps: logarithmic if a run has memorised or grokked too early to be seen on a linear one."""
    return "log" if min(_milestone_steps(table), default=last) < EARLY * last else "linear"


def _milestone_steps(table: pd.DataFrame) -> list[float]:
    return [step for name in style.MILESTONE_NAME for step in reached(table, name)]


def _own(run: Run, steps: Sequence[int]) -> list[int]:
    """Those checkpoints of a run that the scrubber shows at any of the steps."""
    return [run.steps[at] for at in dict.fromkeys(shown_at(run.steps, steps))]


def _run(run: Run, row: dict[Any, Any], steps: Sequence[int]) -> Data:
    own = _own(run, steps)
    return {
        "name": run.name,
        "arm": run.config.arm,
        "max_norm": _rounded(row["max_norm"]),
        "ended": run.status != "running",
        "steps": own,
        "index": shown_at(own, steps),
        "milestones": {name: None if pd.isna(row[name]) else int(row[name]) for name in style.MILESTONE_NAME},
        "places": {
            "first": fraction(own[0], steps),
            "last": fraction(own[-1], steps),
            **{name: None if pd.isna(row[name]) else fraction(row[name], steps) for name in style.MILESTONE_NAME},
        },
    }


def _analysed(run: Run, steps: Sequence[int]) -> Data:
    """Signal, memory and noise of each operation, and the spectrum of the embedding for each group of the task."""
    wanted = [name for name in ("margins", "keys", "embedding_planes") if name in applicable(run)]
    tables = run_all(run, wanted, min(4, usable_cores()), progress=sys.stderr.isatty())
    own = _own(run, steps)
    return {"margins": _margins(tables["margins"], own), "spectra": _spectra(tables, own) if "keys" in tables else []}


def _margins(table: pd.DataFrame, own: Sequence[int]) -> list[Data]:
    by_operation = []
    for operation in names(table, "operation"):
        rows = where(table, operation=operation).set_index("step").loc[list(own)]
        columns = {column: _rounded(rows[column].to_numpy(dtype=float)) for column in MARGINS}
        by_operation.append({"operation": operation, **columns})
    return by_operation


def _spectra(tables: dict[str, pd.DataFrame], own: Sequence[int]) -> list[Data]:
    """The spectrum of the embedding for each group, with the planes of its key frequencies."""
    embed, planes = where(tables["keys"], site="embed", basis="own"), tables.get("embedding_planes")
    spectra = []
    for group in names(embed, "group"):
        # Operations of one group share the embedding's spectrum in it.
        operation = names(where(embed, group=group), "operation")[0]
        spectrum = where(embed, operation=operation)
        spectra.append({"group": group, **_spectrum(spectrum, own), **_planes(planes, spectrum, operation, own)})
    return spectra


def _spectrum(spectrum: pd.DataFrame, own: Sequence[int]) -> Data:
    last = where(spectrum, step=spectrum["step"].max())
    irreps, frequencies = names(last, "irrep"), numbers(last, "frequency")
    cyclic = frequencies.tolist() == list(range(1, len(irreps) + 1))

    def over_steps(column: str) -> Float[np.ndarray, "step irrep"]:
        return spectrum.pivot(index="step", columns="irrep", values=column).loc[list(own), irreps].to_numpy(dtype=float)

    return {
        "word": "frequency" if cyclic else "irrep",
        "irreps": [str(int(k)) for k in frequencies] if cyclic else irreps,
        "hindsight": [bool(key) for key in last["hindsight"]],
        "power": _rounded(over_steps("power")),
        "threshold": _rounded(over_steps("threshold")),
    }


def _planes(planes: pd.DataFrame | None, spectrum: pd.DataFrame, operation: str, own: Sequence[int]) -> Data:
    """The planes of the key frequencies of one operation. It has none in a group that is not cyclic."""
    if planes is None:
        return {"planes": []}
    of_operation = where(planes, operation=operation)
    irreps = names(spectrum, "irrep")
    key_planes = []
    for irrep in names(of_operation, "irrep"):
        points = where(of_operation, irrep=irrep)
        at = {axis: points.pivot(index="step", columns="element", values=axis).loc[list(own)] for axis in "xy"}
        reach = max(float(np.abs(of_axis.to_numpy(dtype=float)).max()) for of_axis in at.values())
        decimals = 3 - math.floor(math.log10(reach)) if reach > 0 else 0
        last = where(points, step=own[-1]).sort_values("element")
        key_planes.append(
            {
                "frequency": int(last["frequency"].iloc[0]),
                "irrep": irreps.index(irrep),
                "reach": _rounded(reach),
                "colours": [to_hex(colour) for colour in style.around(numbers(last, "turn"))],
                "labels": names(last, "label"),
                **{axis: at[axis].to_numpy(dtype=float).round(decimals).tolist() for axis in "xy"},
            }
        )
    return {"planes": key_planes}


def _dynamics(run: str, norms: pd.DataFrame, curves: pd.DataFrame, own: Sequence[int]) -> Data:
    of_run, of_curves = where(norms, run=run), where(curves, run=run)
    by_step = {group: where(of_run, group=group).set_index("step")["norm"] for group in names(of_run, "group")}
    data: Data = {"norms": {group: _rounded(norm.loc[list(own)].to_numpy()) for group, norm in by_step.items()}}
    evaluations = {split: where(of_curves, split=split).set_index("step") for split in ("train", "val")}
    steps = evaluations["val"].index.tolist()
    at = [step for step in (_last_until(steps, checkpoint) for checkpoint in own) if step is not None]
    kept = thinned(steps, [*at, *steps[:1], *steps[-1:]], CURVE_POINTS)
    columns = {name: evaluations[name.split("_")[0]][name.split("_")[1]] for name in CURVES}
    data["curves"] = {
        "step": kept,
        "at": [None if (step := _last_until(kept, checkpoint)) is None else kept.index(step) for checkpoint in own],
        **{name: _rounded(column.loc[kept].to_numpy()) for name, column in columns.items()},
    }
    return data


def _last_until(steps: Sequence[int], step: int) -> int | None:
    at = int(np.searchsorted(steps, step, side="right"))
    return int(steps[at - 1]) if at else None


def _rounded(value: Any) -> Any:
    """Numbers of any shape, rounded to `DIGITS` significant digits; None in place of NaN and of infinity."""
    if isinstance(value, np.ndarray):
        return [_rounded(part) for part in value]
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
