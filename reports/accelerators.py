"""Every accelerator of grokking side by side, with and without the clip: steps, gradient evaluations, seconds.

    python -m reports.accelerators [--seeds 0 1 2] [--tasks mul sub] [--finished]

Trains what is missing under checkpoints/accelerators/ with two one-thread workers, seed by seed (a setting of which
more than half of all seeds have never grokked is left: no other seed could bring its median into the budget), and
writes reports/tables/accelerators.csv (a row per task, arm and clip, over its seeds), accelerators-runs.csv (a row per
run) and accelerators.png. All arms of a seed share initial weights, split and batch order; NeuralGrok's hold back one
training example in fifty, so the batches of those arms are others. With the clip, rows are projected at the start and
clipped after every step at the published bound of the task. A run ends when its grok has been sustained, or after 6,000
steps; it is evaluated every 20. Seconds are grok steps times the cost of a step in benchmarks/accelerators.json,
measured side by side on a quiet machine. With --finished nothing is trained: the tables are of the runs that there are.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pandas as pd
from rich.console import Console

from grokscope.config import RunConfig, override, preset
from grokscope.figures import methods, save
from grokscope.runs import ENDED, Run, open_run, run_name
from grokscope.runs.layout import is_run
from reports.train_many import Row, medians, rows, timing

RUNS = Path("checkpoints", "accelerators")
STEP_COST = Path("benchmarks", "accelerators.json")
ARMS = (
    "adam-l2",
    "adamw",
    "adamw-decay1",
    "lion",
    "grokfast-ema",
    "grokfast-ma",
    "neuralgrok",
    "neuralgrok-normalise",
    "neuralgrok-frozen",
    "neuralgrok-merged",
    "scion",
    "clipped-scion",
    "unconstrained-clipped-scion",
    "muon",
    "orthograd",
    "stablemax",
    "frobenius-cap",
    "spectral-cap",
)
BUDGET = 6000
CADENCE = 20
PUBLISHED = {
    ("mul", "adam-l2"): 1280,
    ("mul", "grokfast-ma"): 1150,
    ("mul", "grokfast-ema"): 1400,
    ("mul", "neuralgrok"): 918,
    ("sub", "adam-l2"): 4330,
    ("sub", "grokfast-ma"): 2990,
    ("sub", "grokfast-ema"): 1340,
    ("sub", "neuralgrok"): 1467,
    ("mul", "lion clip"): 535,
    ("sub", "lion clip"): 775,
}
"""Steps to grok: Zhou et al. 2025 for a*b and a-b; with the clip, Clip to Grok 2026."""


def config(task: str, arm: str, clip: bool, seed: int) -> RunConfig:
    """One run of the comparison."""
    base = preset(
        f"{task}-{arm}",
        seed=seed,
        steps=BUDGET,
        eval_every=CADENCE,
        stop_evaluations=0,
        schedule="ends",
        record_every=None,
    )
    if not clip:
        return base
    max_norm = preset(f"{task}-lion-clip").norms.max_norm
    return override(base, {"arm": f"{arm}-clip", "norms.init_rows": "all", "norms.max_norm": max_norm})


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
        label = f"{arm} clip" if clip else arm
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
                    made = config(task, arm, clip, seed)
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
    measured = json.loads(STEP_COST.read_text()) if STEP_COST.exists() else {"step_ms": {}}
    table = summary(runs, measured["step_ms"])
    save(methods(runs, table), table, options.out, "accelerators")
    console.print(table.to_string())
    console.print(f"wrote {options.out / 'accelerators.csv'}")


if __name__ == "__main__":
    main()
