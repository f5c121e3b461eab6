"""The table of reproduced presets: grok steps of several seeds beside the published medians.

    python -m reports.presets_table [--presets mul-lion-clip s5-lion-clip] [--seeds 0 1 2 3 4]

Trains what is missing under checkpoints/presets/ with two one-thread workers, resumes what was interrupted,
reuses what is finished, and writes reports/tables/presets.csv.
"""

from __future__ import annotations

import argparse
import os
import statistics
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
from rich.console import Console

WORKERS = 2
RUNS = Path("checkpoints", "presets")


def grok(name: str, seed: int) -> dict[str, object]:
    """One run, trained until its grok has been sustained; a row of the table."""
    import grokscope as gs

    # One thread a run, few checkpoints: only the milestones are wanted here.
    config = gs.preset(name, seed=seed, stop_evaluations=0, schedule="log")
    path = RUNS / f"{name}-seed{seed}"
    if path.exists():
        run = gs.resume(path, progress=False)
        if run.config != config:
            raise ValueError(f"{path} holds a run of other settings; move it away")
    else:
        run = gs.train(config, out=path, progress=False)
    return {
        "preset": name,
        "seed": seed,
        "memorisation_step": run.memorisation_step,
        "grok_step": run.grok_step,
        "sustained_grok_step": run.sustained_grok_step,
        "budget": config.training.steps,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["mul-lion-clip", "s5-lion-clip"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=Path, default=Path("reports", "tables", "presets.csv"))
    options = parser.parse_args()
    console = Console()
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the workers when they import torch
    rows = []
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(grok, name, seed) for name in options.presets for seed in options.seeds]
        for job in as_completed(jobs):
            rows.append(job.result())
            console.print(rows[-1])
    from grokscope.config import presets

    table = pd.DataFrame(rows).sort_values(["preset", "seed"], ignore_index=True)
    published = {name: presets()[name].published for name in options.presets}
    table["published_median"] = [published[name].grok_step if published[name] else None for name in table["preset"]]
    table["published_seeds"] = [published[name].seeds if published[name] else None for name in table["preset"]]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out, index=False)
    for name, group in table.groupby("preset"):
        steps = [step if pd.notna(step) else float("inf") for step in group["grok_step"]]
        console.print(f"{name}: median grok step {statistics.median(steps):g} over {len(steps)} seeds")
    console.print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
