"""What is trained: tables, of arms, of settings.

Every arm is a preset with some settings changed. Networks are evaluated once an epoch, and a run ends 200 steps after
its sustained grok, or at its budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grokscope.config import RunConfig, preset, presets
from grokscope.experiments.steps import ending_after_grok

MODULAR = ("add", "sub", "mul", "div")
TASKS = (*MODULAR, "mixed", "s5")


@dataclass(frozen=True, eq=False)
class Arm:
    """One setting: a preset with some settings changed, on some seeds."""

    task: str
    name: str
    """Of the setting, within its table and task."""
    preset: str
    budget: int
    n_seeds: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    """By name, over those of the preset."""
    bound: float | None = None
    """The bound on row norms, where it is what the table varies."""

    @property
    def published(self) -> int | None:
        """The median that the source reports for the preset, where the setting is the preset's own."""
        known = presets()[self.preset]
        own = known.config.norms
        same = not self.settings or dict(self.settings) == {"max_norm": getattr(own, "max_norm", None)}
        return known.published.grok_step if same and known.published is not None else None

    def config(self, seed: int) -> RunConfig:
        """The run of one seed."""
        config = preset(
            self.preset,
            arm=self.name,
            seed=seed,
            steps=self.budget,
            schedule="ends",
            record_every=None,
            **self.settings,
        )
        return ending_after_grok(config)


@dataclass(frozen=True)
class PublishedTable:
    """A table of the method's authors."""

    name: str
    title: str
    about: str
    """What it compares, in a sentence or two."""
    arms: tuple[Arm, ...]


def _bounds() -> Iterator[Arm]:
    doses = {
        **dict.fromkeys(("add", "sub", "div"), (1, 1.25, 1.5, 1.75, 2, 2.25)),
        "s5": (0.75, 1, 1.25, 1.5, 1.75, 2),
        "mixed": (1, 1.25, 1.5, 1.75, 2),
    }
    for task, bounds in doses.items():
        budget, n_seeds = (10000, 3) if task == "mixed" else (8000, 5)
        for bound in bounds:
            name = f"lion-max_norm-{bound:g}"
            yield Arm(task, name, f"{task}-lion-clip", budget, n_seeds, {"max_norm": bound}, float(bound))


def _reliability() -> Iterator[Arm]:
    yield Arm("mul", "lion", "mul-lion-clip", 5000, 100)
    yield Arm("mul", "adam", "mul-adam-clip", 5000, 50)
    yield Arm("mul", "signsgd", "mul-signsgd-clip", 5000, 50)
    yield Arm("mul", "lion-clip-alone", "mul-lion-clip", 5000, 50, {"init_rows": "none"})
    yield Arm("mul", "lion-edge", "mul-lion-clip", 5000, 50, {"init_rows": "edge"})


def _eight_layers() -> Iterator[Arm]:
    optimizers = {
        "lion": (5, {}),
        "adam": (3, {"optimizer.name": "adam", "optimizer.lr": 2e-4, "optimizer.betas": (0.9, 0.98)}),
        "signsgd": (3, {"optimizer.name": "signsgd", "optimizer.lr": 2e-4}),
    }
    for name, (n_seeds, settings) in optimizers.items():
        for start, rows in (("edge-ln", {}), ("no-projection", {"init_rows": "none"})):
            yield Arm("mul", f"{name}-{start}", "mul-8layer-lion-clip", 10000, n_seeds, {**settings, **rows})


def _quarter() -> Iterator[Arm]:
    yield Arm("mul", "lion", "mul-lion-clip", 10000, 20, {"train_fraction": 0.25})
    yield Arm("mul", "adam", "mul-adam-clip", 10000, 3, {"train_fraction": 0.25})


def _adamw() -> Iterator[Arm]:
    for task in TASKS:
        yield Arm(task, "as-published", f"{task}-adamw", 20000, 1)
        yield Arm(task, "tuned", f"{task}-adamw", 20000, 5, {"lr": 3e-3, "weight_decay": 1.0})


def _unclipped() -> Iterator[Arm]:
    for task in TASKS:
        yield Arm(task, "lion", f"{task}-lion", 8000, 3 if task == "mixed" else 5)


def residual_arms(bounds: Iterable[tuple[str, float]]) -> tuple[Arm, ...]:
    """The arms of the standard residual, of tasks with the bound on row norms of each."""
    return tuple(
        Arm(task, f"pre-ln-max_norm-{bound:g}", f"{task}-lion-clip", 8000, 5,
            {"max_norm": bound, "model.residual": "pre_ln"}, bound)
        for task, bound in bounds
    )  # fmt: skip


BEST_ON_MUL = 2.0
"""The best bound on mul of the five in reports/tables/max-norm-mul.csv; the table of bounds leaves mul out."""

TABLES = (
    PublishedTable(
        "bounds",
        "The bound on row norms, task by task",
        "Lion with projection and clip at several bounds; for x · y see “grokscope experiment max-norm”.",
        tuple(_bounds()),
    ),
    PublishedTable(
        "reliability",
        "How reliable the method is",
        "x · y at the bound 2: three optimizers with projection and clip; Lion with the clip alone, and with embedding "
        "and unembedding projected alone (edge).",
        tuple(_reliability()),
    ),
    PublishedTable(
        "eight-layers",
        "Eight layers",
        "x · y with eight layers at the bound 2: embedding, unembedding and final gain projected (edge-ln) or nothing.",
        tuple(_eight_layers()),
    ),
    PublishedTable(
        "quarter",
        "A quarter of the data",
        "x · y, trained on a quarter of all pairs instead of half, with projection and clip at 2.",
        tuple(_quarter()),
    ),
    PublishedTable(
        "adamw",
        "AdamW without a clip",
        "AdamW as published (learning rate 1e-3, decay 0.01), whose grok is far beyond the budget of 20,000 steps, and "
        "as tuned on other seeds (3e-3, decay 1).",
        tuple(_adamw()),
    ),
    PublishedTable("unclipped", "Lion without a clip", "Plain Lion.", tuple(_unclipped())),
    PublishedTable(
        "residual",
        "The standard residual",
        "Lion with projection and clip at the best bound of the first table, in networks whose blocks add to the "
        "stream before its norm, as standard transformers do. In all presets the first norm overwrites the stream.",
        (),
    ),
)
"""All tables; the arms of `residual` depend on the first (see `residual_arms`)."""


def table_names() -> tuple[str, ...]:
    """The names of the tables, in their order."""
    return tuple(table.name for table in TABLES)


def sizes(arms: Sequence[Arm], seeds: Sequence[int]) -> Iterator[tuple[Arm, int]]:
    """Every arm with each of its seeds, its own or those that are asked for; first seeds of all arms come first."""
    of_arm = {arm.name + arm.task: tuple(seeds) or tuple(range(arm.n_seeds)) for arm in arms}
    longest = max(map(len, of_arm.values()), default=0)
    for place in range(longest):
        for arm in arms:
            chosen = of_arm[arm.name + arm.task]
            if place < len(chosen):
                yield arm, chosen[place]
