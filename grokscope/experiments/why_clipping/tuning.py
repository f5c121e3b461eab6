"""Tuning: grids of equal size on the main task, on seeds that no claim reports on, and the best setting of each."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from grokscope.analysis.timing import best_settings
from grokscope.experiments.why_clipping.configs import bound
from grokscope.experiments.why_clipping.scale import MAIN, tuning_seeds
from grokscope.experiments.why_clipping.trained import Arms, Settings

if TYPE_CHECKING:
    from grokscope.experiments.why_clipping.study import Study

ADAMW: Settings = {"optimizer.name": "adamw", "optimizer.betas": [0.9, 0.98]}

Grid = dict[str, tuple[float, ...]]
"""The values that are tried of each setting."""


def grids(bound: float) -> dict[str, tuple[Settings, Grid]]:
    """The settings of each arm that is tuned, and its grid: learning rate by weight decay, or by bound."""
    rates = (3e-4, 1e-3, 3e-3)
    projected: Settings = {"norms.init_rows": "all", "norms.init_norm": bound}
    return {
        "adamw": (ADAMW, {"optimizer.lr": rates, "optimizer.weight_decay": (0.1, 1.0, 3.0)}),
        "lion": ({}, {"optimizer.lr": rates, "optimizer.weight_decay": (0.0, 0.1, 1.0)}),
        "clip": (projected, {"optimizer.lr": rates, "norms.max_norm": (0.75 * bound, bound, 1.25 * bound)}),
    }


def tuned_settings(study: Study) -> dict[str, Settings]:
    """The best setting of each grid, by full name. Raises ValueError where no run of a grid has ended."""
    best_of = {}
    for arm, (_, grid) in grids(bound(study.scale, MAIN)).items():
        best = best_settings(study.grid(arm, tuple(grid)), list(grid), study.scale.tuning_seeds)
        best_of[arm] = {name: float(best[name].iloc[0]) for name in grid}
    return best_of


def _points(study: Study, task: str) -> dict[str, Settings]:
    """Every point of every grid, as an arm."""
    arms = {}
    for arm, (settings, grid) in grids(bound(study.scale, task)).items():
        for point in product(*grid.values()):
            name = "-".join([arm, *(f"{value:g}" for value in point)])
            chosen = settings | dict(zip(grid, point, strict=True))
            arms[name] = chosen | {"training.steps": study.scale.tuning_budget}
    return arms


TUNED = Arms(_points, tuning_seeds, "tuning")
