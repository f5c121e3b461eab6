"""Cost per training step of the engine as p, batch, layers and d_model grow: a table and a plot.

    python -m benchmarks.scaling [--rounds 9] [--smallest] [--out FOLDER]

One dimension varies at a time around mul mod 97, batch 512, 2 layers, d_model 128, one thread. All settings take
turns in one process. Writes benchmarks/scaling.csv and benchmarks/scaling.png.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.command_line import command_line
from benchmarks.machine import describe
from benchmarks.smallest import SMALLEST

GRID: dict[str, tuple[int, ...]] = {
    "modulus": (29, 59, 97, 197),
    "batch_size": (128, 256, 512, 1024, 2048),
    "n_layers": (1, 2, 4, 8),
    "d_model": (64, 128, 256, 512),
}
SMALLEST_GRID = {"modulus": (11, 13), "batch_size": (32, 64), "n_layers": (1, 2), "d_model": (16, 32)}
LABELS = {
    "modulus": "modulus p",
    "batch_size": "batch size",
    "n_layers": "layers",
    "d_model": "d_model (d_mlp = 4 d_model)",
}


def settings(field: str, value: int) -> dict[str, Any]:
    """Overrides of the base preset."""
    return {field: value, "d_mlp": 4 * value} if field == "d_model" else {field: value}


def plot(table: pd.DataFrame) -> Figure:
    """ms per step against each dimension, with the time of the products alone."""
    figure = Figure(figsize=(10, 2.8), layout="constrained")
    axes = figure.subplots(1, len(LABELS), sharey=True)
    for axis, (field, part) in zip(axes, table.groupby("field", sort=False), strict=True):
        axis.plot(part["value"], part["ms_per_step"], "o-", color="#0072B2", label="training step")
        axis.plot(part["value"], part["product_ms"], "--", color="#7f7f7f", label="its matrix products, at best rate")
        axis.set(xscale="log", yscale="log", xlabel=LABELS[str(field)])
        axis.set_xticks(part["value"], [str(value) for value in part["value"]], minor=False)
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("ms per step")
    axes[0].legend(fontsize=7, frameon=False)
    return figure


def main() -> None:
    parser = command_line(__doc__, rounds=9, out=Path(__file__).parent, out_help="the folder of scaling.csv and .png")
    options = parser.parse_args()
    torch.set_num_threads(1)
    from benchmarks.machine import matmul_rate
    from grokscope.config import preset
    from grokscope.engine import retain_freed_memory
    from grokscope.tasks import build_task
    from grokscope.training import Trainer

    retain_freed_memory()
    trainers = {}
    for field, values in (SMALLEST_GRID if options.smallest else GRID).items():
        for value in values:
            config = preset("mul-lion-clip", **(SMALLEST if options.smallest else {}) | settings(field, value))
            trainers[field, value] = Trainer(config, build_task(config.task))
    for trainer in trainers.values():
        trainer.update()
    times: dict[tuple[str, int], list[float]] = {key: [] for key in trainers}
    for _ in range(options.rounds):
        for key, trainer in trainers.items():
            full = min(trainer.config.training.batch_size or 0, len(trainer.train))
            for _ in range(3):
                if len(trainer.train) - trainer.batches.state()[1] * full < full:
                    trainer.update()  # not the ragged batch at the end of an epoch
                begin = time.perf_counter()
                trainer.update()
                times[key].append(1e3 * (time.perf_counter() - begin))
    rate = matmul_rate(1, *((64, 1) if options.smallest else ()))["engine"]
    rows = [
        {
            "field": field,
            "value": value,
            "ms_per_step": statistics.median(times[field, value]),
            "product_ms": 3e3 * t.engine.flops(min(t.config.training.batch_size or 0, len(t.train))) / 1e9 / rate,
        }
        for (field, value), t in trainers.items()
    ]
    table = pd.DataFrame(rows)
    table.to_csv(options.out / "scaling.csv", index=False, float_format="%.2f")
    plot(table).savefig(options.out / "scaling.png", dpi=160)
    console = Console()
    console.print(", ".join(f"{key} {value}" for key, value in describe().items()))
    console.print(table.round(2).to_string(index=False))


if __name__ == "__main__":
    main()
