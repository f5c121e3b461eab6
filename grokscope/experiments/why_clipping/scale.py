"""How large the experiment is: its tasks, seeds, budget and networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAIN = "mul"
"""The task on which every arm is run; the others have the arms that carry the main claims."""


@dataclass(frozen=True)
class Scale:
    """One size of the experiment."""

    name: str
    seeds: Mapping[str, tuple[int, ...]]
    """Seeds of the factorial arms on each task, by the task's name in a preset."""
    side_seeds: Mapping[str, tuple[int, ...]]
    """Seeds of the arms that one claim alone is about, on each task."""
    tuning_seeds: tuple[int, ...]
    """Seeds on which settings are chosen. No result is reported on them."""
    traced_seeds: tuple[int, ...]
    """Seeds of the factorial arms whose runs keep dense checkpoints or record probes."""
    few_seeds: tuple[int, ...]
    """Seeds of the arms in which the joint norm is clamped, and of the other methods."""
    budget: int
    """Steps; a run that has not grokked by then is censored."""
    tuning_budget: int
    cadence: int
    """Steps between evaluations."""
    checkpoint_every: int
    """Steps between dense checkpoints."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of every run, over those of its preset."""
    task_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings of every run of a task, over those of its preset."""
    methods: tuple[str, ...] | None = None
    """The other methods that are compared. None: all of them."""
    method_tasks: tuple[str, ...] = ("mul", "sub")
    """The tasks on which they are compared."""

    @property
    def runs(self) -> Path:
        """Where its runs go by default."""
        return Path("checkpoints", "why-clipping" if self.name == "published" else f"why-clipping-{self.name}")

    @property
    def report(self) -> Path:
        """Where its report goes by default."""
        return Path("reports", "why-clipping" if self.name == "published" else f"why-clipping-{self.name}")


PUBLISHED = Scale(
    name="published",
    seeds={"mul": tuple(range(10)), "sub": tuple(range(5)), "div": tuple(range(5)), "s5": tuple(range(5))},
    side_seeds={"mul": (0, 1, 2), "sub": (0, 1, 2), "div": (0, 1, 2), "s5": (0,)},
    tuning_seeds=(100, 101),
    traced_seeds=(0, 1, 2),
    few_seeds=(0, 1, 2),
    budget=6000,
    tuning_budget=3000,
    cadence=20,
    checkpoint_every=20,
)

SMALL = Scale(
    name="small",
    seeds={"mul": (0, 1), "s5": (0,)},
    side_seeds={"mul": (0, 1), "s5": (0,)},
    tuning_seeds=(100,),
    traced_seeds=(0, 1),
    few_seeds=(0,),
    budget=400,
    tuning_budget=250,
    cadence=10,
    checkpoint_every=50,
    settings={
        "task": {"train_fraction": 0.8},
        "model": {"n_layers": 1, "d_model": 64, "n_heads": 2, "d_mlp": 128},
        "optimizer": {"lr": 4e-3},
        "training": {"batch_size": 336},
    },
    task_settings={"mul": {"task": {"modulus": 29}}, "s5": {"task": {"degree": 3}}},
    methods=("adam-l2", "lion", "muon"),
    method_tasks=("mul",),
)
"""Shows that every part works; its networks are too small and its runs too short for its answers to mean anything."""

SCALES = {scale.name: scale for scale in (PUBLISHED, SMALL)}


Seeds = Mapping[str, tuple[int, ...]]
"""Seeds of each task, by the task's name in a preset."""


def tuning_seeds(scale: Scale) -> Seeds:
    """The seeds on which settings are chosen, on the main task."""
    return {MAIN: scale.tuning_seeds}


def traced_seeds(scale: Scale) -> Seeds:
    """The seeds of every task whose runs are looked into."""
    return {task: tuple(seed for seed in of if seed in scale.traced_seeds) for task, of in scale.seeds.items()}


def other_seeds(scale: Scale) -> Seeds:
    """The seeds of every task that count for times alone."""
    return {task: tuple(seed for seed in of if seed not in scale.traced_seeds) for task, of in scale.seeds.items()}


def side_seeds(scale: Scale) -> Seeds:
    """The seeds of every task for the arms of one claim."""
    return scale.side_seeds


def side_seeds_on_main(scale: Scale) -> Seeds:
    """The same on the main task alone."""
    return {MAIN: scale.side_seeds[MAIN]}


def few_seeds_on_main(scale: Scale) -> Seeds:
    """The seeds of arms that cost much, on the main task."""
    return {MAIN: scale.few_seeds}
