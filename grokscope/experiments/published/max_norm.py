"""At which bound on row norms does each optimizer grok soonest? Grok steps by bound, beside the published medians."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from grokscope import figures
from grokscope.analysis.timing import medians, timing_table
from grokscope.config import preset
from grokscope.experiments.table import TINY, TINY_TASKS, Plan, Publication, Size, table_experiment
from grokscope.runs import Run
from grokscope.sweeps import Job

TABLE = "max-norm-mul"
TITLES = {"lion": "Lion", "adam": "Adam", "signsgd": "SignSGD"}
"""What every optimizer is called in the figure."""
BOUNDS = (1, 1.5, 2, 2.5, 3)
PUBLISHED = {
    "lion": (2430, 650, 540, 835, 2180),
    "adam": (2600, 1330, 1175, 5735, None),
    "signsgd": (4430, 1530, 1125, 3500, None),
}
"""Median steps to the grok at each of the bounds; None: never. Clip to Grok 2026."""
COLUMNS = [
    "optimizer", "max_norm", "n", "events", "diverged", "median", "at_least", "low", "high",
    "restricted_mean", "horizon", "cadence", "published_median", "statement",
]  # fmt: skip

SHOWN = ["optimizer", "max_norm", "n", "events", "median", "low", "high", "published_median"]
"""Of those, the columns that are printed."""


def rounds(plan: Plan) -> Iterator[list[Job]]:
    """Every optimizer at every bound, seed by seed: the runs of sweeps/max-norm-mul.toml."""
    yield [
        Job(
            plan.sized(
                preset(
                    f"mul-{optimizer}-clip",
                    arm=f"{optimizer}-max_norm-{bound:g}",
                    seed=seed,
                    max_norm=bound,
                    steps=8000,
                    stop_evaluations=0,
                    record_every=100,
                    schedule="ends",
                )
            )
        )
        for seed in plan.seeds
        for optimizer in plan.parts
        for bound in BOUNDS
    ]


def published_medians() -> pd.DataFrame:
    """A row for each optimizer and bound."""
    source = "Clip to Grok 2026"
    return pd.DataFrame(
        [
            (name, float(bound), median, source if median is not None else f"{source} (never)")
            for name, steps in PUBLISHED.items()
            for bound, median in zip(BOUNDS, steps, strict=True)
        ],
        columns=["optimizer", "max_norm", "published_median", "source"],
    ).astype({"published_median": "Int64"})


@table_experiment(
    name="max-norm",
    asks="At which bound on row norms does each optimizer grok soonest?",
    published=Size(seeds=(0, 1, 2, 3, 4), parts=tuple(TITLES)),
    small=Size(seeds=(0, 1), parts=("lion", "adam"), settings=TINY, tasks=TINY_TASKS),
    rounds=rounds,
)
def max_norm(plan: Plan, runs: list[Run]) -> Publication:
    """A row for each optimizer and bound: medians with intervals, and the published ones."""
    settings = pd.DataFrame(
        [
            {"run": run.name, "optimizer": run.config.optimizer.name, "max_norm": run.config.norms.max_norm}
            for run in runs
        ]
    ).astype({"max_norm": float})
    table = timing_table(runs).merge(settings, on="run")
    published = published_medians()
    arms = table.drop_duplicates("arm")[["arm", "optimizer", "max_norm"]]
    summary = medians(table).merge(arms, on="arm").merge(published, how="left", on=["optimizer", "max_norm"])
    order = {name: place for place, name in enumerate(TITLES)}
    summary = summary.sort_values(["optimizer", "max_norm"], key=lambda c: c.map(order) if c.name == "optimizer" else c)
    drawn = (part.assign(optimizer=part["optimizer"].map(TITLES.__getitem__)) for part in (table, summary, published))
    of_runs, middles, crosses = drawn
    return Publication(
        {
            TABLE: summary.reindex(columns=COLUMNS),
            f"{TABLE}-published": published.assign(max_norm=[f"{bound:g}" for bound in published["max_norm"]]),
        },
        {TABLE: figures.dose_response(of_runs, middles, crosses)},
        summary.reindex(columns=SHOWN),
    )
