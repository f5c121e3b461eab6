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

from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext
from grokscope.analysis.dynamics.collapse import collapse
from grokscope.config import preset, presets
from grokscope.runs import Run
from reports.train_many import Row, medians, rows, timing

RUNS = Path("checkpoints", "which-tensor")
PREFIX = "which-tensor-"


def row(run: Run) -> Row:
    """Its milestones; the logit scale on the train set, as the loss sees it, and the final gain, at start and end."""
    context = RunContext(run)
    found: Row = timing(run)
    for place, step in (("start", run.steps[0]), ("end", run.steps[-1])):
        table = collapse.measure(Checkpoint(context, step)).set_index("dtype")
        for column in ("logit_std", "final_gain_norm"):
            found[f"{column}_{place}"] = round(float(table.loc[run.config.model.dtype, column]), 4)
    return found


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
    console.print(medians(table, "arm", ["memorisation_step", "grok_step", "delay"]))
    console.print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
