"""What is clipping worth against other accelerators? Every method with and without it: steps, evaluations, seconds.

What is trained is said by `grokscope.experiments.accelerators`. Seconds are grok steps times the cost of a step in
benchmarks/accelerators.json, measured side by side on a quiet machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from grokscope import figures
from grokscope.analysis import names, where
from grokscope.analysis.timing import medians, timing_table
from grokscope.experiments.accelerators import ARMS, TITLES, accelerator, settled, step_cost
from grokscope.experiments.table import TINY, TINY_TASKS, Plan, Publication, Size, table_experiment
from grokscope.experiments.wording import markdown
from grokscope.runs import Run
from grokscope.sweeps import Job

PUBLISHED = {
    ("mul", "adam-l2"): 1280,
    ("mul", "grokfast-ma"): 1150,
    ("mul", "grokfast-ema"): 1400,
    ("mul", "neuralgrok"): 918,
    ("sub", "adam-l2"): 4330,
    ("sub", "grokfast-ma"): 2990,
    ("sub", "grokfast-ema"): 1340,
    ("sub", "neuralgrok"): 1467,
    ("mul", "lion-clip"): 535,
    ("sub", "lion-clip"): 775,
}
"""Steps to grok: Zhou et al. 2025 for a*b and a-b; with the clip, Clip to Grok 2026."""
TIMES = ["memorisation_step", "grok_step", "sustained_grok_step", "delay", "budget", "status"]


def rounds(plan: Plan) -> Iterator[list[Job]]:
    """Every method on every task, without and with the clip, seed by seed.

    A setting of which more than half of all seeds have never grokked is left: no other seed could bring its median
    into the budget.
    """
    ended: list[Run] = []
    for seed in plan.seeds:
        jobs = []
        for task in plan.parts:
            for clip in (False, True):
                for arm in ARMS:
                    config = plan.sized(accelerator(task, arm, clip, seed))
                    same = [run for run in ended if (run.config.task, run.config.arm) == (config.task, config.arm)]
                    if not settled(same, len(plan.seeds)):
                        jobs.append(Job(config))
        yield jobs
        ended += plan.ended(jobs)


@table_experiment(
    name="accelerators",
    asks="What is clipping worth against other accelerators, in steps, gradient evaluations and seconds?",
    published=Size(seeds=(0, 1, 2), parts=("mul", "sub")),
    small=Size(seeds=(0,), parts=("mul",), settings={**TINY, "training.steps": 40}, tasks=TINY_TASKS),
    rounds=rounds,
)
def accelerators(plan: Plan, runs: list[Run]) -> Publication:
    """A row for each task, method and clip over its seeds, a row for each run, and the tables of the README."""
    times = times_of(runs)
    table = summary(times, step_cost())
    written = times.reindex(columns=["task", "clip", "arm", "seed", *TIMES, "gradient_evaluations"])
    return Publication(
        {"accelerators-runs": written, "accelerators": table},
        {"accelerators": figures.methods(written, table)},
        table.reindex(columns=["task", "arm", "clip", "seeds", "grokked", "grok_step", "published_step"]),
        tuple(line for task in plan.parts for line in ["", *readme_table(written, table, task)]),
    )


def times_of(runs: list[Run]) -> pd.DataFrame:
    """The times of every run, with the task and the method by their names and whether it is clipped."""
    named = pd.DataFrame(
        [
            {
                "run": run.name,
                "task": run.config.task.name,
                "clip": run.config.norms.clips,
                "arm": run.config.arm.removesuffix("-clip"),
            }
            for run in runs
        ]
    )
    times = named.merge(timing_table(runs).drop(columns=["task", "arm"]), on="run")
    times = times.assign(gradient_evaluations=times["grok_gradient_evaluations"])
    order = {name: place for place, name in enumerate(ARMS)}
    return times.sort_values(
        ["task", "arm", "clip", "seed"], key=lambda c: c.map(order) if c.name == "arm" else c, ignore_index=True
    )


def summary(times: pd.DataFrame, cost: dict[str, float]) -> pd.DataFrame:
    """Medians over seeds of each task, method and clip; a median that is not reached within the budget is left out.

    `cost` has milliseconds per step, by method, with the ending `-clip` where it is clipped.
    """
    lines = []
    settings = times[["task", "arm", "clip"]].drop_duplicates()
    for task, arm, clip in settings.itertuples(index=False):
        of_setting = where(times, task=task, arm=arm, clip=clip)
        label = f"{arm}-clip" if clip else str(arm)
        (grok,) = medians(of_setting).to_dict("records")
        ms = cost.get(label, float("nan"))
        lines.append(
            {
                "task": task,
                "arm": arm,
                "clip": clip,
                "seeds": len(of_setting),
                "grokked": int(grok["events"]),
                "memorisation_step": medians(of_setting, "memorisation")["median"].iloc[0],
                "grok_step": grok["median"],
                "gradient_evaluations": medians(of_setting, unit="gradient_evaluations")["median"].iloc[0],
                "ms_per_step": round(ms, 1),
                "seconds": round(grok["median"] * ms / 1000, 1),
                "published_step": PUBLISHED.get((str(task), label)),
                "diverged": len(where(of_setting, status="diverged")),
            }
        )
    return pd.DataFrame(lines).astype({"published_step": float})


def readme_table(runs: pd.DataFrame, table: pd.DataFrame, task: str) -> list[str]:
    """A task's table in Markdown: every seed's step, medians of gradient evaluations and seconds, published steps."""
    rows = []
    for arm in names(where(table, task=task), "arm"):
        cells = [TITLES[arm]]
        for clip in (False, True):
            setting = where(table, task=task, arm=arm, clip=clip)
            if setting.empty:
                cells += ["–"] * 3
                continue
            median = setting.iloc[0]
            steps = where(runs, task=task, arm=arm, clip=clip).sort_values("seed")["grok_step"]
            told = ", ".join("never" if pd.isna(step) else f"{step:,.0f}" for step in steps)
            published = "" if pd.isna(median["published_step"]) else f" ({median['published_step']:,.0f})"
            cells.append(told + published)
            for column, digits in (("gradient_evaluations", 0), ("seconds", 1)):
                cells.append("–" if pd.isna(median[column]) else f"{median[column]:,.{digits}f}")
        rows.append(cells)
    units = ("gradient evaluations", "seconds")
    return markdown((task, "steps", *units, "clipped: steps", *units), rows)
