"""Traces, tuning and arms, in the order in which they are trained.

Traces are of a seed that no arm has, the tuning is on seeds of its own. The clip and the arms that decide come first,
the first seed of them on all tasks, then the second, and so on; then, in the same order, the arms that carry the answer
beside them; then all others, on the main task; and at last as many more seeds of what is tested as its verdicts need.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from grokscope.analysis import names, numbers, where
from grokscope.analysis.timing.non_inferiority import MOST_SEEDS
from grokscope.config import override, setting
from grokscope.experiments.ledger import FILE, TRACES, PlannedRun, planned, published_rows, rows_of
from grokscope.experiments.table import TINY, TINY_TASKS
from grokscope.experiments.why_clipping import watched
from grokscope.experiments.why_clipping.declared import (
    CLIP,
    FREE,
    HELD,
    NORMS_FREE,
    TESTED,
    Family,
    families,
    known_arms,
)
from grokscope.experiments.why_clipping.families import decay, ends
from grokscope.experiments.why_clipping.setting import TRACE_SEED, TRACED, Setting, Traced
from grokscope.experiments.why_clipping.summary import MEDIATORS, summary
from grokscope.experiments.why_clipping.tasks import BUDGETS, EVERY, MAIN, TaskSize, arm_config
from grokscope.model import in_scope, is_matrix
from grokscope.norms import joint_norm, row_norms
from grokscope.runs import Run, open_run
from grokscope.sweeps import Job

CARRIERS = (
    *HELD,
    *("sphere-rows-zeros", "growing-sphere-tensors", "growing-sphere-rows-step"),
    *("relative-step", NORMS_FREE),
    *("replay-tensor", "replay-all-mean", "decay-as-clip", "norms-clip-step-free-scale-free"),
)
"""The arms that are run on the other tasks too, beside those of families that name them."""
ENDS = (CLIP, FREE)
"""What those arms are compared with."""
DECIDING = (*ENDS, *HELD, NORMS_FREE)
"""The arms that have all seeds on every task, and alone are run on `SLOW`."""
SLOW = "mixed"
"""The task whose runs take a quarter of an hour."""
Stage = Literal["decisive", "carrying", "others"]
"""What is trained first, second and last."""
STAGES: tuple[Stage, ...] = get_args(Stage)
TUNING = "tuning"
TUNING_SEEDS = (100, 101)


@dataclass(frozen=True)
class Scale:
    """How large the experiment is."""

    name: str
    seeds: tuple[int, ...]
    other_seeds: tuple[int, ...]
    """On the tasks beside the main one, of `DECIDING`."""
    few_seeds: int
    """How many of those the other arms have there."""
    sizes: Mapping[str, TaskSize]
    rates: tuple[float, ...] = decay.RATES
    """Rates of decay that are tried."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of arms, over everything else."""
    most_seeds: int = MOST_SEEDS
    """Of an arm that has as many as its verdict needs."""


PUBLISHED = Scale(
    "published",
    seeds=(0, 1, 2, 3, 4),
    other_seeds=(0, 1, 2, 3, 4),
    few_seeds=3,
    sizes={task: TaskSize(budget, {}) for task, budget in BUDGETS.items()},
)
_TINY_SIZE = {**TINY, "training.steps": 40}
SMALL = Scale(
    "small",
    seeds=(0, 1),
    other_seeds=(0,),
    few_seeds=1,
    sizes={
        "mul": TaskSize(40, {**_TINY_SIZE, **TINY_TASKS["mul"]}),
        "s5": TaskSize(40, {**_TINY_SIZE, **TINY_TASKS["permutation"]}),
    },
    rates=(1.0, 3.0),
    settings={"training.stop_evaluations": 0, "probes.margins_every": 20},
    most_seeds=2,
)
"""Shows that every part works; its networks are too small and its runs too short for its answers to mean anything."""


@dataclass(frozen=True)
class Study:
    """What is planned at a scale, with runs in one folder and published rows in another."""

    scale: Scale
    runs: Path
    out: Path
    chosen: tuple[str, ...] = ()
    """Names of the families whose arms are asked for; none: all of them."""
    seeds: tuple[int, ...] = ()
    """Those that are asked for, in place of those of the scale."""

    @property
    def file(self) -> Path:
        """Where rows are published."""
        return self.out / FILE

    def settings(self) -> dict[str, Setting]:
        """What arms are made from, by task."""
        best = self._tuned()
        return {task: Setting(task, self.runs, self.out, best) for task in self.scale.sizes}

    def tuning(self) -> list[PlannedRun]:
        """The grid of the decay's rate, on the main task."""
        return [
            self._planned(TUNING, MAIN, f"decay-{rate:g}", seed, decay.decayed(rate))
            for seed in TUNING_SEEDS
            for rate in self.scale.rates
        ]

    def arms(self, task: str | None = None, place: int | None = None, stage: Stage | None = None) -> list[PlannedRun]:
        """Every run of every arm that is known, in the order in which they are trained.

        Arguments:
            task: of this task alone.
            place: of this seed of every task alone, 0 being the first.
            stage: the arms of this stage alone.
        """
        settings_of = self.settings()
        return [
            self._planned(family, on, arm, seed, settings)
            for part in (STAGES if stage is None else (stage,))
            for at in (self.places if place is None else (place,))
            for on in (self.scale.sizes if task is None else (task,))
            for seed, family, arm, settings in self._on(settings_of[on], at)
            if part == _stage(arm)
        ]

    def watched(self) -> list[PlannedRun]:
        """The two ends, looked at closely: of the first seed, on two tasks."""
        return [
            self._planned(watched.PART, task, arm, self.scale.seeds[0], settings | watched.settings(task))
            for task in self.scale.sizes
            if task in EVERY
            for arm, settings in ((CLIP, ends.clipped(Setting(task, self.runs, self.out))), (FREE, {}))
        ]

    def more(self) -> list[PlannedRun]:
        """More seeds of the arm that is tested and of the clip: as many as the spread of the first ones asks for.

        So many that the arm, if it is in truth as soon as the clip, is found to be with 80% power on every task; none
        before its first seeds have ended, and 40 of a task at most.
        """
        if self.seeds:
            return []
        found = where(summary(self._rows(self.arms(stage="decisive"))), arm=TESTED)
        plan, settings_of = [], self.settings()
        for task in self.scale.sizes:
            seeds = self.scale.seeds if task == MAIN else self.scale.other_seeds
            rows = where(found, task=task)
            rows = rows.loc[rows["seeds_needed"].notna() & (numbers(rows, "shared") >= len(seeds))]
            needed = max(rows["seeds_needed"].clip(upper=self.scale.most_seeds), default=0)
            known = {arm: (family, settings) for _, family, arm, settings in self._on(settings_of[task], 0)}
            plan += [
                self._planned(known[arm][0], task, arm, seed, known[arm][1])
                for seed in range(len(seeds), needed)
                for arm in (CLIP, TESTED)
            ]
        return plan

    def plan(self) -> list[PlannedRun]:
        """Every run that is known to be needed, and what is asked for beside them."""
        whole = replace(self, chosen=(), seeds=())
        asked = self.arms() if self != whole else []
        every = [*whole.tuning(), *whole.watched(), *whole.arms(), *whole.more(), *asked]
        return list({one.job.name: one for one in every}.values())

    @property
    def places(self) -> range:
        """The places of seeds, the first being 0."""
        return range(len(self.seeds) or max(len(self.scale.seeds), len(self.scale.other_seeds)))

    def traced(self, task: str, of: Traced) -> Job:
        """The run that a trace is of: as long as the budget, whether or not it groks."""
        settings = ends.clipped(Setting(task, self.runs, self.out)) if of == "clip" else {}
        more = {"probes.trace": True, "probes.margins_every": None, "training.stop_evaluations": None}
        config = arm_config(task, of, TRACE_SEED, self.scale.sizes[task], {**settings, **more})
        return Job(config, f"traced-{task}-{of}-seed{TRACE_SEED}")

    def missing_traces(self, task: str, stage: Stage, left: Sequence[PlannedRun]) -> list[Traced]:
        """The traces of a task that its runs need, or that settings wait for, and that are not recorded here.

        Arguments:
            task: by its preset's name.
            stage: nothing decisive waits for a measurement.
            left: what is trained next.
        """
        setting = self.settings()[task]
        waits = stage != "decisive" and self._waits(task)
        needed = {of for run in left for of in _followed(run)} | (set(TRACED) if waits else set())
        return [of for of in TRACED if of in needed and not setting.trace_file(of).exists()]

    def keep_trace(self, task: str, of: Traced) -> None:
        """Save the trace of a run that has ended."""
        run = open_run(self.runs / self.traced(task, of).name)
        run.trace.save(self.settings()[task].trace_file(of))

    def rows(self, plan: Sequence[PlannedRun] | None = None) -> pd.DataFrame:
        """A row for every run that has ended, whichever were asked for.

        Arguments:
            plan: what `plan` returns, where that is known.
        """
        return self._rows(self.plan() if plan is None else plan, others=True)

    def _rows(self, plan: Sequence[PlannedRun], *, others: bool = False) -> pd.DataFrame:
        rows = rows_of(plan, self.runs, published_rows(self.file), milestones_of, others=others)
        # Rows that were published before something was recorded lack its column.
        return rows.reindex(columns=rows.columns.union(MEDIATORS, sort=False))

    @property
    def tunes(self) -> bool:
        """Whether an arm that is asked for has a setting that is tuned."""
        return not self.chosen or decay.decay.name in self.chosen

    def _waits(self, task: str) -> bool:
        """Whether an arm of a task is left out until something is measured on its traces."""
        tuned = Setting(task, self.runs, self.out, {"decay": 1.0})
        chosen = list(filter(self._is_chosen, families().values()))
        on_task = {name for family in chosen for name in family.arms() if _is_on(task, family, name)}
        return bool(on_task - {name for family in chosen for name, _, _ in known_arms(family, tuned)})

    def _on(self, setting: Setting, place: int) -> Iterator[tuple[int, str, str, dict[str, Any]]]:
        """Seed, family, arm and settings of the runs of a task at one place of the seeds."""
        task = setting.task
        seeds = self.seeds or (self.scale.seeds if task == MAIN else self.scale.other_seeds)
        for family in filter(self._is_chosen, families().values()) if place < len(seeds) else ():
            for name, arm, settings in known_arms(family, setting):
                has_all = task == MAIN or name in DECIDING or self.seeds
                most = len(seeds) if has_all else self.scale.few_seeds
                if _is_on(task, family, name) and place < min(arm.n_seeds or most, most):
                    yield seeds[place], family.name, name, settings

    def _is_chosen(self, family: Family) -> bool:
        # The ends are what all others are compared with.
        return not self.chosen or family.name in (*self.chosen, "ends")

    def _planned(self, part: str, task: str, arm: str, seed: int, settings: Mapping[str, Any]) -> PlannedRun:
        config = arm_config(task, arm, seed, self.scale.sizes[task], settings)
        return planned(part, task, arm, seed, override(config, self.scale.settings))

    def _tuned(self) -> dict[str, float]:
        """The best rate of decay: the least geometric mean over the tuning seeds; none before all have ended."""
        plan = self.tuning()
        rows = self._rows(plan)
        if len(rows) < len(plan):
            return {}
        grokked, watched = numbers(rows, "sustained_grok_step"), numbers(rows, "budget")
        logs = np.log(np.where(np.isnan(grokked), watched, grokked))
        means = {arm: float(logs[(rows["arm"] == arm).to_numpy()].mean()) for arm in names(rows, "arm")}
        best = min(means, key=means.__getitem__)
        return {"decay": float(best.removeprefix("decay-"))}


def _is_on(task: str, family: Family, arm: str) -> bool:
    """Whether an arm is run on a task."""
    return task in family.tasks or arm in (DECIDING if task == SLOW else CARRIERS)


def _stage(arm: str) -> Stage:
    if arm in (CLIP, *HELD):
        return "decisive"
    return "carrying" if arm in (*ENDS, *CARRIERS) else "others"


def _followed(run: PlannedRun) -> Iterator[Traced]:
    """The traces that a run's config names."""
    for name in TRACES:
        if (reference := setting(run.job.config, name)) is not None:
            yield next(of for of in TRACED if f"-{of}.safetensors@" in reference)


def milestones_of(run: Run) -> dict[str, float]:
    """Signal, memory and noise of a run at its sustained grok and at its end, its losses and its norm at its end.

    Returns signal, memory and noise_val (means over operations, in nats) at the first record at or after the sustained
    grok (`_at_grok`, NaN without one) and at the last record (`_at_end`), train_loss and val_loss at the end,
    norm_at_end: the joint norm of the decoder's parameters at the end over that at the start, and row_spread_at_end:
    the standard deviation of the norms of a matrix's rows over their mean, at the end, of the matrix of the decoder
    where that is largest.
    """
    recorded = run.recorded_margins
    columns = ("signal", "memory", "noise_val")
    found = {f"{name}_at_{when}": np.nan for when in ("grok", "end") for name in columns}
    if len(recorded):
        after = where(recorded, stage="after")
        steps = np.unique(numbers(after, "step"))
        at = {"end": float(steps[-1])}
        if run.sustained_grok_step is not None:
            at["grok"] = float(steps[min(int(np.searchsorted(steps, run.sustained_grok_step)), len(steps) - 1)])
        for when, step in at.items():
            of_step = after.loc[after["step"] == step]
            found |= {f"{name}_at_{when}": float(numbers(of_step, name).mean()) for name in columns}
    last = run.metrics.iloc[-1]
    start, end = (_decoder(run.weights(step)) for step in (0, -1))
    norm = joint_norm(list(end.values())) / joint_norm(list(start.values()))
    losses = {name: float(last[name]) for name in ("train_loss", "val_loss")}
    return {**found, **losses, "norm_at_end": norm, "row_spread_at_end": _row_spread(end)}


def _decoder(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: weights[name] for name in in_scope(tuple(weights), ("decoder",))}


def _row_spread(weights: Mapping[str, Tensor]) -> float:
    norms = [row_norms(name, value.double()) for name, value in weights.items() if is_matrix(name)]
    return float(torch.stack([of_rows.std(correction=0) / of_rows.mean() for of_rows in norms]).max())
