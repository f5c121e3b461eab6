"""The runs of the experiment that have ended, by stage, task and arm: where its claims get their data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from grokscope.analysis.timing import timing_table
from grokscope.config import RunConfig, setting
from grokscope.experiments.why_clipping.scale import Scale
from grokscope.runs import ENDED, Run, open_run
from grokscope.runs.layout import is_run


@dataclass
class Study:
    """One scale's runs below a folder, in a folder of their own for every stage."""

    scale: Scale
    folder: Path
    _known: dict[Path, Run] = field(default_factory=dict)

    def runs(self, stage: str, task: str | None = None, arm: str | None = None) -> list[Run]:
        """Runs of a stage that have ended, by increasing seed."""
        folder = self.folder / stage
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path not in self._known and is_run(path) and (run := open_run(path)).status in ENDED:
                self._known[path] = run
        of_stage = [run for path, run in self._known.items() if path.parent == folder]
        chosen = [run for run in of_stage if task in (None, task_of(run.config)) and arm in (None, run.config.arm)]
        return sorted(chosen, key=lambda run: run.config.seed)

    def traced(self, task: str, arm: str) -> list[Run]:
        """Runs of an arm of which probes or dense checkpoints are kept. Raises ValueError where none has ended."""
        traced = [run for run in self.runs("arms", task, arm) if run.config.seed in self.scale.traced_seeds]
        if not traced:
            raise ValueError(f"no run of {arm} on {task} with seeds {self.scale.traced_seeds} has ended: train them")
        return traced

    def timing(self, task: str, arms: Sequence[str] | None = None, stages: Sequence[str] = ("arms",)) -> pd.DataFrame:
        """The times of runs that have ended, as `timing_table` has them, arms in the order given.

        The table has no rows where no run has ended.
        """
        runs = [run for stage in stages for run in self.runs(stage, task)]
        if arms is not None:
            runs = [run for arm in arms for run in runs if run.config.arm == arm]
        return timing_table(runs) if runs else pd.DataFrame({"arm": [], "seed": [], "grok_step": []})

    def grid(self, arm: str, settings: Sequence[str]) -> pd.DataFrame:
        """Times of the runs of a grid, under the arm's own name, with a column for each setting."""
        runs = [run for run in self.runs("tuning") if run.config.arm.startswith(f"{arm}-")]
        if not runs:
            raise ValueError(f"no run of the grid of {arm} has ended: train them")
        values = {name: [setting(run.config, name) for run in runs] for name in settings}
        return timing_table(runs).assign(arm=arm, **values)


def up_to_grok(recorded: pd.DataFrame, runs: Sequence[Run]) -> pd.DataFrame:
    """Recorded probes after step 0 and up to each run's grok; of a run that did not grok, all after step 0."""
    until = {run.name: run.grok_step or run.final_step for run in runs}
    return recorded.loc[(recorded["step"] > 0) & (recorded["step"] <= recorded["run"].map(until.__getitem__))]


def task_of(config: RunConfig) -> str:
    """The task's name in presets."""
    return "s5" if config.task.name == "permutation" else config.task.name
