"""What trained S5 networks compute with: irreps, losses and subgroups, for several seeds.

    python -m reports.s5_irreps [--seeds 0 1 2]

Trains what is missing under checkpoints/s5-irreps/ (the preset `s5-lion-clip`, a checkpoint every 10 steps until its
grok has been sustained), analyses every checkpoint with two workers, says how long that took, and writes
reports/tables/s5-irreps.csv: a row for each seed and irrep, and one for the key set. The report page of the first
seed goes to reports/s5/.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pandas as pd
from rich.console import Console

import grokscope as gs
from grokscope.config import preset
from grokscope.runs import Run, open_run
from reports.train_many import rows, timing

RUNS = Path("checkpoints", "s5-irreps")
WORKERS = 2
KEY_SET = "key set"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("reports", "tables", "s5-irreps.csv"))
    options = parser.parse_args()
    console = Console()
    jobs = {
        RUNS / f"s5-lion-clip-seed{seed}": preset("s5-lion-clip", seed=seed, stop_evaluations=5)
        for seed in options.seeds
    }
    for _ in rows(jobs, timing, console):
        pass
    runs = [open_run(path) for path in jobs]
    parts = []
    for run in runs:
        begin = time.perf_counter()
        tables = gs.run_all(run, workers=WORKERS, progress=console.is_terminal)
        seconds = time.perf_counter() - begin
        console.print(f"{run.name}: {len(run.steps)} checkpoints analysed in {seconds:.0f} s (kept tables are read)")
        parts.append(table_of(run, tables))
    table = pd.concat(parts, ignore_index=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out, index=False)
    console.print(table.to_string())
    page = gs.build_report("s5", runs[:1])
    console.print(f"wrote {options.out} and {page}")


def table_of(run: Run, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Everything about the last checkpoint of one run, by irrep; the last row is the key set's."""
    keys = _last(tables["keys"], site="embed").set_index("irrep")
    characters = _last(tables["logit_characters"]).set_index("irrep")
    losses = _last(tables["restricted_loss"], split="val")
    onsets = tables["onset"][tables["onset"]["quantity"] == "power"].set_index("irrep")
    neurons = _last(tables["neurons"])
    last_layer = neurons[neurons["layer"] == neurons["layer"].max()]
    found = []
    for irrep in keys.index:
        found.append(
            {
                "irrep": irrep,
                "key": bool(keys.loc[irrep, "hindsight"]),
                "learned_by_step": onsets["by"].get(irrep),
                "embedding_power": keys.loc[irrep, "power"],
                "neurons": int((last_layer["cluster"] == irrep).sum()),
                "logit_cosine": characters.loc[irrep, "cosine"],
                "logit_share": characters.loc[irrep, "share"],
                **_losses(losses[(losses["set"] == "one") & (losses["irrep"] == irrep)]),
            }
        )
    chosen = [row["irrep"] for row in found if row["key"]]
    together = {
        "irrep": KEY_SET,
        "key": True,
        "embedding_power": float(keys.loc[chosen, "power"].sum()),
        "neurons": sum(row["neurons"] for row in found if row["key"]),
        "logit_share": float(characters.loc[chosen, "share"].sum()),
        **_losses(losses[losses["set"] == "hindsight"]),
        "subgroups": _subgroups(_last(tables["coset_summary"])),
    }
    table = pd.DataFrame([*found, together])
    table.insert(0, "seed", run.config.seed)
    table.insert(1, "grok_step", run.grok_step)
    numbers = table.select_dtypes("float").columns
    table[numbers] = table[numbers].round(4)
    return table.astype({"learned_by_step": "Int64"})


def _last(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """The own basis at the last checkpoint, where columns have some values."""
    table = table[(table["step"] == table["step"].max()) & (table["basis"] == "own")]
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def _losses(table: pd.DataFrame) -> dict[str, float]:
    """Validation losses in nats, restricted and excluded, at either level."""
    found: dict[str, float] = {}
    for row in table.to_dict("records"):
        found[f"restricted_loss_{row['level']}"] = row["restricted_loss"]
        found[f"excluded_loss_{row['level']}"] = row["excluded_loss"]
        found["full_loss"] = row["full_loss"]
    return found


def _subgroups(summary: pd.DataFrame) -> str:
    """The classes that explain most neurons of each layer, with how many."""
    either = summary[(summary["operand"] == "either") & (summary["n_explained"] > 0)]
    told = []
    for layer, part in either.groupby("layer"):
        best = part[part["subgroup"] != "any"].nlargest(3, "n_explained")
        counts = ", ".join(f"{row['subgroup']} {row['n_explained']}" for row in best.to_dict("records"))
        whole = int(part.loc[part["subgroup"] == "any", "n_explained"].sum())
        told.append(f"layer {layer}: {counts} ({whole} of {int(part['n_neurons'].max())})")
    return "; ".join(told)


if __name__ == "__main__":
    main()
