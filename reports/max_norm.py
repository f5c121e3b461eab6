"""At which bound on row norms does each optimizer grok soonest? Grok steps by max_norm, beside the published medians.

    python -m reports.max_norm [--runs checkpoints/max-norm-mul] [--seeds 0 1 2 3 4]

Reads the finished runs below checkpoints/max-norm-mul (mul mod 97; an arm for every optimizer and bound, such as
`lion-max_norm-1.5`), says which are missing, and writes reports/tables/max-norm-mul.csv (a row per arm: medians with
intervals, and the published ones of max-norm-mul-published.csv) and the figure max-norm-mul.png and .pdf.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from rich.console import Console

from grokscope import figures
from grokscope.analysis.timing import medians, timing_table
from grokscope.figures.files import save
from grokscope.runs import Run, list_runs, open_run

TABLES = Path("reports", "tables")
NAME = "max-norm-mul"
OPTIMIZERS = {"lion": "Lion", "adam": "Adam", "signsgd": "SignSGD"}
COLUMNS = [
    "optimizer", "max_norm", "n", "events", "diverged", "median", "at_least", "low", "high",
    "restricted_mean", "horizon", "cadence", "published_median", "statement",
]  # fmt: skip


def setting(run: Run) -> dict[str, object]:
    """What a run varies."""
    return {"run": run.name, "optimizer": run.config.optimizer.name, "max_norm": run.config.norms.max_norm}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("checkpoints", NAME))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=Path, default=TABLES)
    options = parser.parse_args()
    console = Console()
    published = pd.read_csv(TABLES / f"{NAME}-published.csv")
    found = [row for row in list_runs(options.runs) if row["seed"] in options.seeds]
    runs = [open_run(row["path"]) for row in found if row["status"] in ("finished", "diverged")]
    settings = pd.DataFrame([setting(run) for run in runs], columns=["run", "optimizer", "max_norm"])
    table = timing_table(runs).merge(settings, on="run")
    arms = table.drop_duplicates("arm")[["arm", "optimizer", "max_norm"]]
    summary = medians(table).merge(arms, on="arm").merge(published, how="left", on=["optimizer", "max_norm"])
    order = {name: place for place, name in enumerate(OPTIMIZERS)}
    summary = summary.sort_values(["optimizer", "max_norm"], key=lambda c: c.map(order) if c.name == "optimizer" else c)
    seeds = {arm: set(part["seed"]) for arm, part in table.groupby(["optimizer", "max_norm"])}
    missing = {
        f"{optimizer} {bound:g}": sorted(set(options.seeds) - seeds.get((optimizer, bound), set()))
        for optimizer, bound in zip(published["optimizer"], published["max_norm"], strict=True)
    }
    named = [part.assign(optimizer=part["optimizer"].map(OPTIMIZERS)) for part in (table, summary, published)]
    save(figures.dose_response(*named), summary[COLUMNS], options.out, NAME)
    console.print(summary[["optimizer", "max_norm", "n", "events", "median", "low", "high", "published_median"]])
    console.print(f"{len(runs)} finished runs, {sum(map(len, missing.values()))} missing")
    for arm, lacking in missing.items():
        if lacking:
            console.print(f"  {arm}: seeds {', '.join(map(str, lacking))}")
    console.print(f"wrote {options.out / NAME}.csv, .png and .pdf")


if __name__ == "__main__":
    main()
