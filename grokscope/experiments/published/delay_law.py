"""Is the delay exponential in the weight norm? Runs whose norm is held at several values, and the fitted law."""

from __future__ import annotations

from collections.abc import Iterator

from grokscope import figures
from grokscope.analysis import delay_law as fitted_law
from grokscope.analysis import delay_table, names, reference_norm
from grokscope.analysis.timing import medians, timing_table
from grokscope.config import preset
from grokscope.experiments.table import TINY, Plan, Publication, Size, table_experiment
from grokscope.runs import Run
from grokscope.sweeps import Job

PRESET = "delay-law-p59"
CONTROL = "control"
RHOS = ("0.80", "0.85", "0.90", "0.95", "1.00")
"""Joint norms of all weight matrices, relative to the reference norm W_c."""
CLAMPED_FROM = {"published": 600, "small": 20}
"""The step that the clamp begins at, by scale: when the network has memorised."""
DIGITS = 4
"""Of the reference norm: every clamp run says in its config what it is clamped to."""


def rounds(plan: Plan) -> Iterator[list[Job]]:
    """Control runs, and then runs that are held at parts of the norm at which those begin to generalise.

    A run ends when its grok has been sustained, or at its budget. Raises ValueError where no control generalises.
    """
    controls = [
        Job(plan.sized(preset(PRESET, seed=seed, stop_evaluations=0, every=20)), f"{CONTROL}-seed{seed}")
        for seed in plan.seeds
    ]
    yield controls
    reference = round(reference_norm(plan.ended(controls)), DIGITS)
    yield [
        Job(
            plan.sized(
                preset(
                    PRESET,
                    arm=f"rho {rho:.2f}",
                    seed=seed,
                    stop_evaluations=0,
                    clamp_rho=rho,
                    clamp_reference=reference,
                    clamp_from_step=CLAMPED_FROM[plan.scale],
                )
            ),
            f"rho{rho:.2f}-seed{seed}",
        )
        for seed in plan.seeds
        for rho in map(float, plan.parts)
    ]


def is_rho(part: str) -> bool:
    """Whether a text is a relative norm: a number above 0."""
    try:
        return 0 < float(part) < float("inf")
    except ValueError:
        return False


@table_experiment(
    name="delay-law",
    asks="Is the delay exponential in the weight norm?",
    published=Size(seeds=(0, 1, 2), parts=RHOS),
    small=Size(
        seeds=(0, 1),
        parts=("0.80", "1.00"),
        settings={
            **TINY,
            "optimizer.lr": 1e-2,
            "task.train_fraction": 0.9,
            "training.steps": 150,
        },
        # Large enough that the controls generalise: the reference norm is measured where they do.
        tasks={"add": {"task.modulus": 23}},
    ),
    rounds=rounds,
    accepts=is_rho,
)
def delay_law(plan: Plan, runs: list[Run]) -> Publication:
    """A row for each clamped run, and the fit beside the published one."""
    clamped = [run for run in runs if run.config.arm != CONTROL]
    if not clamped:
        raise ValueError(f"no run of delay-law in {plan.runs} with a clamped norm has ended: train some")
    times = timing_table(clamped)
    table = delay_table(clamped).sort_values(["rho", "seed"], ignore_index=True)
    table = table.merge(times[["run", "memorisation_step"]], on="run")
    table = table.assign(reference_norm=clamped[0].config.norms.clamp_reference)
    law = fitted_law(table)
    middles = medians(times, arms=names(table, "arm")).reindex(columns=["arm", "n", "events", "median"])
    middles = middles.assign(median_from_clamp=middles["median"] - clamped[0].config.norms.clamp_from_step)
    return Publication(
        {"delay-law": table, "delay-law-fit": law.summary()},
        {"delay-law": figures.delay_law(table, law)},
        middles,
        (f"reference norm W_c = {clamped[0].config.norms.clamp_reference}", law.statement),
    )
