"""Which tensors does the clip act through? Memorisation, grok and delay of every arm of the `which-tensor` presets.

    python -m reports.which_tensor [--seeds 0 1 2 3 4]

Trains what is missing under checkpoints/which-tensor/ with two one-thread workers, and writes
reports/tables/which-tensor.csv: a row per arm and seed. A run ends when its grok has been sustained, or at its budget.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from rich.console import Console

from grokscope.config import preset, presets
from grokscope.runs import Run
from reports.train_many import Row, rows, timing

RUNS = Path("checkpoints", "which-tensor")
PREFIX = "which-tensor-"


def row(run: Run) -> Row:
    """Its milestones, and its logit scale and final gain at the start and at the end."""
    whole = run.probes
    whole = whole[(whole["group"] == "all") & (whole["parameter"] == "") & whole["logit_std"].notna()]
    first, last = whole.iloc[0], whole.iloc[-1]
    scale = {
        "logit_std_start": round(float(first["logit_std"]), 4),
        "logit_std_end": round(float(last["logit_std"]), 3),
        "final_gain_start": round(float(first["final_gain_norm"]), 3),
        "final_gain_end": round(float(last["final_gain_norm"]), 3),
    }
    return timing(run) | scale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=Path, default=Path("reports", "tables", "which-tensor.csv"))
    options = parser.parse_args()
    console = Console()
    arms = [name for name in presets() if name.startswith(PREFIX)]
    jobs = {
        RUNS / f"{name.removeprefix(PREFIX)}-seed{seed}": preset(
            name, seed=seed, stop_evaluations=0, schedule="dense", every=20
        )
        for seed in options.seeds
        for name in arms
    }
    table = pd.DataFrame(rows(jobs, row, console))
    order = {name.removeprefix(PREFIX): i for i, name in enumerate(arms)}
    table = table.sort_values(["arm", "seed"], key=lambda c: c.map(order) if c.name == "arm" else c, ignore_index=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    table.astype(dict.fromkeys(("memorisation_step", "grok_step", "sustained_grok_step", "delay"), "Int64")).to_csv(
        options.out, index=False
    )
    console.print(table.groupby("arm", sort=False)[["memorisation_step", "grok_step", "delay"]].median())
    console.print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
