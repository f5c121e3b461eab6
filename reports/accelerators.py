"""Every accelerator of grokking side by side, with and without the clip: steps, gradient evaluations, seconds.

    python -m reports.accelerators [--seeds 0 1 2] [--tasks mul sub] [--finished]

Trains what is missing under checkpoints/why-clipping/accelerators/ with two one-thread workers, seed by seed (a setting
of which more than half of all seeds have never grokked is left: no other seed could bring its median into the budget),
and writes reports/tables/accelerators.csv (a row per task, arm and clip, over its seeds), accelerators-runs.csv (a row
per run) and accelerators.png, and prints the README's tables. What is trained is said by
`grokscope.experiments.accelerators`. Seconds are grok steps times the cost of a step in benchmarks/accelerators.json,
measured side by side on a quiet machine. With --finished nothing is trained: the tables are of the runs that there are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from rich.console import Console

from grokscope.experiments.accelerators import ARMS, accelerator, step_cost
from grokscope.figures import methods, save
from grokscope.runs import ENDED, Run, open_run, run_name
from grokscope.runs.layout import is_run
from reports.train_many import Row, medians, rows, timing

RUNS = Path("checkpoints", "why-clipping", "accelerators")
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


def row(run: Run) -> Row:
    """When it grokked, in steps and in gradient evaluations."""
    found: Row = {"task": run.config.task.name, "clip": run.config.norms.clips} | timing(run)
    found["arm"] = run.config.arm.removesuffix("-clip")
    grok = run.grok_step
    found["gradient_evaluations"] = None if grok is None else run.config.gradient_evaluations(grok)
    return found


def has_ended(path: Path) -> bool:
    """Whether there is a run with nothing left to train."""
    return is_run(path) and open_run(path).status in ENDED


def settled(found: list[Row], setting: tuple[str, str, bool], seeds: int) -> bool:
    """Whether so many seeds of a setting have never grokked that no other could bring its median into the budget."""
    same = [one for one in found if (one["task"], one["arm"], one["clip"]) == setting]
    return 2 * sum(one["grok_step"] is None for one in same) > seeds


def summary(runs: pd.DataFrame, cost: dict[str, float]) -> pd.DataFrame:
    """Medians over seeds of each task, arm and clip; a median that is not reached within the budget is left out."""
    middles = medians(runs, ["task", "arm", "clip"], ["memorisation_step", "grok_step", "gradient_evaluations"])
    middles = middles.where(middles < float("inf"))
    found = []
    for (task, arm, clip), group in runs.groupby(["task", "arm", "clip"], sort=False):
        middle = middles.loc[(task, arm, clip)]
        label = f"{arm}-clip" if clip else arm
        found.append(
            {
                "task": task,
                "arm": arm,
                "clip": clip,
                "seeds": len(group),
                "grokked": int(group["grok_step"].notna().sum()),
                **middle,
                "ms_per_step": round(cost.get(label, float("nan")), 1),
                "seconds": round(middle["grok_step"] * cost.get(label, float("nan")) / 1000, 1),
                "published_step": PUBLISHED.get((str(task), label)),
                "diverged": int((group["status"] == "diverged").sum()),
            }
        )
    return pd.DataFrame(found)


TITLES = {
    "adam-l2": "Adam, L2 1e-3",
    "adamw": "AdamW, decay 0.01",
    "adamw-decay1": "AdamW, decay 1",
    "lion": "Lion",
    "grokfast-ema": "Grokfast-EMA",
    "grokfast-ma": "Grokfast-MA",
    "neuralgrok": "NeuralGrok",
    "neuralgrok-normalise": "– normalisation alone",
    "neuralgrok-frozen": "– amplifier frozen",
    "neuralgrok-merged": "– outer data merged",
    "scion": "Scion",
    "clipped-scion": "ClippedScion",
    "unconstrained-clipped-scion": "UnconstrainedClippedScion",
    "muon": "Muon",
    "orthograd": "Adam, OrthoGrad",
    "stablemax": "Adam, StableMax",
    "frobenius-cap": "Lion, Frobenius cap",
    "spectral-cap": "Lion, spectral cap",
}


def readme_table(runs: pd.DataFrame, table: pd.DataFrame, task: str) -> str:
    """A task's table in Markdown: every seed's step, medians of gradient evaluations and seconds, published steps."""
    lines = [
        f"| {task} | steps | gradient evaluations | seconds | clipped: steps | gradient evaluations | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm, title in TITLES.items():
        cells = [title]
        for clip in (False, True):
            here = [(part["task"] == task) & (part["arm"] == arm) & (part["clip"] == clip) for part in (runs, table)]
            steps = runs.loc[here[0]].sort_values("seed")["grok_step"]
            told = ", ".join("never" if pd.isna(step) else f"{step:,.0f}" for step in steps)
            row = table.loc[here[1]].iloc[0]
            published = "" if pd.isna(row["published_step"]) else f" ({row['published_step']:,.0f})"
            found = (("gradient_evaluations", 0), ("seconds", 1))
            cells += [told + published, *("–" if pd.isna(row[name]) else f"{row[name]:,.{n}f}" for name, n in found)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--tasks", nargs="+", default=["mul", "sub"])
    parser.add_argument("--finished", action="store_true", help="train nothing; read the runs that have ended")
    parser.add_argument("--out", type=Path, default=Path("reports", "tables"))
    options = parser.parse_args()
    console = Console()
    found: list[Row] = []
    for seed in options.seeds:
        jobs = {}
        for task in options.tasks:
            for clip in (False, True):
                for arm in ARMS:
                    made = accelerator(task, arm, clip, seed)
                    path = RUNS / run_name(made)
                    if options.finished and not has_ended(path):
                        continue
                    if not settled(found, (made.task.name, arm, clip), len(options.seeds)):
                        jobs[path] = made
        found += rows(jobs, row, console)
    runs = pd.DataFrame(found)
    order = {name: i for i, name in enumerate(ARMS)}
    runs = runs.sort_values(
        ["task", "arm", "clip", "seed"], key=lambda c: c.map(order) if c.name == "arm" else c, ignore_index=True
    )
    whole = dict.fromkeys(
        ("memorisation_step", "grok_step", "sustained_grok_step", "delay", "gradient_evaluations"), "Int64"
    )
    options.out.mkdir(parents=True, exist_ok=True)
    runs.astype(whole).to_csv(options.out / "accelerators-runs.csv", index=False)
    table = summary(runs, step_cost())
    save(methods(runs, table), table, options.out, "accelerators")
    for task in options.tasks:
        console.print(readme_table(runs, table, task), soft_wrap=True, markup=False, highlight=False)
    console.print(f"wrote {options.out / 'accelerators.csv'}")


if __name__ == "__main__":
    main()
