"""The table of reproduced presets: grok steps of several seeds beside the published medians.

    python -m reports.presets_table [--presets mul-lion-clip s5-lion-clip] [--seeds 0 1 2 3 4]

Trains what is missing under checkpoints/presets/ with two one-thread workers, resumes what was interrupted,
reuses what is finished, and writes reports/tables/presets.csv.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import pandas as pd
from rich.console import Console

from grokscope.config import preset, presets
from reports.train_many import rows, timing

RUNS = Path("checkpoints", "presets")
COLUMNS = ["preset", "seed", "memorisation_step", "grok_step", "sustained_grok_step", "budget"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["mul-lion-clip", "s5-lion-clip"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=Path, default=Path("reports", "tables", "presets.csv"))
    options = parser.parse_args()
    console = Console()
    # Few checkpoints: only the milestones are wanted here.
    tables = []
    for name in options.presets:
        jobs = {
            RUNS / f"{name}-seed{seed}": preset(name, seed=seed, stop_evaluations=0, schedule="log", record_every=None)
            for seed in options.seeds
        }
        tables.append(pd.DataFrame(rows(jobs, timing, console)).assign(preset=name)[COLUMNS])
    table = pd.concat(tables).sort_values(["preset", "seed"], ignore_index=True)
    published = {name: presets()[name].published for name in options.presets}
    table["published_median"] = [p.grok_step if (p := published[name]) else None for name in table["preset"]]
    table["published_seeds"] = [p.seeds if (p := published[name]) else None for name in table["preset"]]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out, index=False)
    for name, group in table.groupby("preset"):
        steps = [step if pd.notna(step) else float("inf") for step in group["grok_step"]]
        console.print(f"{name}: median grok step {statistics.median(steps):g} over {len(steps)} seeds")
    console.print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
