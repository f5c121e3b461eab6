"""Is the delay exponential in the weight norm? Clamp runs at several norms, and the fitted law.

    python -m reports.delay_law [--seeds 0 1 2] [--rhos 0.80 0.85 0.90 0.95 1.00]

Trains control runs of the preset `delay-law-p59`, takes the reference norm W_c from them, and then trains every clamp
run that is missing, under checkpoints/delay-law/ with two one-thread workers. Writes reports/tables/delay-law.csv (a
row per run), delay-law-fit.csv (the fit beside the published one) and the figure delay-law.png. A run ends when its
grok has been sustained, or at its budget of 20,000 steps.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from rich.console import Console

from grokscope import figures
from grokscope.analysis import delay_law, delay_table, reference_norm
from grokscope.config import preset
from grokscope.figures.files import save
from grokscope.runs import open_run
from reports.train_many import medians, rows, timing

RUNS = Path("checkpoints", "delay-law")
PRESET = "delay-law-p59"
CLAMPED_FROM = 600
"""The step that the clamp begins at, when the network has memorised."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rhos", nargs="+", type=float, default=[0.80, 0.85, 0.90, 0.95, 1.00])
    parser.add_argument("--out", type=Path, default=Path("reports", "tables"))
    options = parser.parse_args()
    console = Console()
    controls = {
        RUNS / f"control-seed{seed}": preset(PRESET, seed=seed, stop_evaluations=0, every=20) for seed in options.seeds
    }
    for _ in rows(controls, timing, console):
        pass
    # Four digits: every clamp run says in its config what it is clamped to.
    reference = round(reference_norm([open_run(path) for path in controls]), 4)
    console.print(f"reference norm W_c = {reference} over {len(controls)} control runs")
    jobs = {
        RUNS / f"rho{rho:.2f}-seed{seed}": preset(
            PRESET,
            arm=f"rho {rho:.2f}",
            seed=seed,
            stop_evaluations=0,
            clamp_rho=rho,
            clamp_reference=reference,
            clamp_from_step=CLAMPED_FROM,
        )
        for seed in options.seeds
        for rho in options.rhos
    }
    for _ in rows(jobs, timing, console):
        pass
    runs = [open_run(path) for path in jobs]
    table = delay_table(runs).sort_values(["rho", "seed"], ignore_index=True)
    milestones = pd.DataFrame([{"run": run.name, "memorisation_step": run.memorisation_step} for run in runs])
    table = table.merge(milestones.astype({"memorisation_step": "Int64"}), on="run").assign(reference_norm=reference)
    law = delay_law(table)
    save(figures.delay_law(table, law), table, options.out, "delay-law")
    law.summary().to_csv(options.out / "delay-law-fit.csv", index=False)
    console.print(medians(table, "rho", ["delay_from_clamp", "delay_from_start"]))
    console.print(law.statement)
    console.print(f"wrote {options.out / 'delay-law.csv'}, delay-law-fit.csv and delay-law.png")


if __name__ == "__main__":
    main()
