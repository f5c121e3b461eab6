"""What does a network trained on S5 compute with? Irreps, losses and subgroups, for several seeds."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from grokscope.analysis import numbers, run_all, where
from grokscope.capacity import usable_cores
from grokscope.config import preset
from grokscope.experiments.table import TINY, TINY_TASKS, Plan, Publication, Size, table_experiment
from grokscope.runs import Run
from grokscope.sweeps import Job

KEY_SET = "key set"
PRESET = "s5-lion-clip"
ANALYSES = ("keys", "logit_characters", "restricted_loss", "onset", "neurons", "coset_summary")


def rounds(plan: Plan) -> Iterator[list[Job]]:
    """A run for each seed, with a checkpoint every 10 steps until its grok has been sustained."""
    yield [
        Job(plan.sized(preset(PRESET, seed=seed, stop_evaluations=5)), f"{PRESET}-seed{seed}") for seed in plan.seeds
    ]


@table_experiment(
    name="s5-irreps",
    asks="What does a network trained on S5 compute with?",
    published=Size(seeds=(0, 1, 2), parts=()),
    small=Size(seeds=(0, 1), parts=(), settings={**TINY, "training.steps": 30}, tasks=TINY_TASKS),
    rounds=rounds,
)
def s5_irreps(plan: Plan, runs: list[Run]) -> Publication:
    """A row for each seed and irrep, and one for the key set; and a report on the first seed."""
    workers = min(2, usable_cores())
    table = pd.concat([irreps_of(run, run_all(run, ANALYSES, workers)) for run in runs], ignore_index=True)
    shown = where(table, irrep=KEY_SET).reindex(columns=["seed", "grok_step", "logit_share", "full_loss", "subgroups"])
    return Publication({"s5-irreps": table}, shown=shown, reports={"s5": runs[:1]})


def irreps_of(run: Run, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Everything about the last checkpoint of one run, by irrep; the last row is the key set's."""
    keys = _last(tables["keys"], site="embed").set_index("irrep")
    characters = _last(tables["logit_characters"]).set_index("irrep")
    losses = _last(tables["restricted_loss"], split="val")
    onsets = where(tables["onset"], quantity="power").set_index("irrep")
    neurons = _last(tables["neurons"])
    last_layer = neurons[neurons["layer"] == neurons["layer"].max()]
    by_irrep = [
        {
            "irrep": irrep,
            "key": bool(keys.loc[irrep, "hindsight"]),
            "learned_by_step": onsets["by"].get(irrep),
            "embedding_power": keys.loc[irrep, "power"],
            "neurons": int((last_layer["cluster"] == irrep).sum()),
            "logit_cosine": characters.loc[irrep, "cosine"],
            "logit_share": characters.loc[irrep, "share"],
            **_losses(where(losses, set="one", irrep=irrep)),
        }
        for irrep in keys.index
    ]
    chosen = [row["irrep"] for row in by_irrep if row["key"]]
    together = {
        "irrep": KEY_SET,
        "key": True,
        "embedding_power": float(keys.loc[chosen, "power"].sum()),
        "neurons": sum(row["neurons"] for row in by_irrep if row["key"]),
        "logit_share": float(characters.loc[chosen, "share"].sum()),
        **_losses(where(losses, set="hindsight")),
        "subgroups": _subgroups(_last(tables["coset_summary"])),
    }
    table = pd.DataFrame([*by_irrep, together])
    table.insert(0, "seed", run.config.seed)
    table.insert(1, "grok_step", run.grok_step)
    measured = table.select_dtypes("float").columns
    table[measured] = table[measured].round(4)
    return table.astype({"learned_by_step": "Int64"})


def _last(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """The rows of the last checkpoint in the network's own basis, where columns have some values."""
    return where(table, step=table["step"].max(), basis="own", **values)


def _losses(table: pd.DataFrame) -> dict[str, float]:
    """Validation losses in nats, restricted and excluded, at either level."""
    losses: dict[str, float] = {}
    for row in table.to_dict("records"):
        losses[f"restricted_loss_{row['level']}"] = row["restricted_loss"]
        losses[f"excluded_loss_{row['level']}"] = row["excluded_loss"]
        losses["full_loss"] = row["full_loss"]
    return losses


def _subgroups(summary: pd.DataFrame) -> str:
    """The classes that explain most neurons of each layer, with how many."""
    either = where(summary, operand="either")
    either = either.loc[either["n_explained"] > 0]
    layers = []
    for layer, part in either.groupby("layer"):
        best = part.loc[part["subgroup"] != "any"].nlargest(3, "n_explained")
        counts = ", ".join(f"{row['subgroup']} {row['n_explained']}" for row in best.to_dict("records"))
        whole = int(numbers(where(part, subgroup="any"), "n_explained").sum())
        layers.append(f"layer {layer}: {counts} ({whole} of {int(numbers(part, 'n_neurons').max())})")
    return "; ".join(layers)
