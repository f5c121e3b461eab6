"""What dense checkpoints cost: the same training with a checkpoint every 10 steps and with none in between.

    python -m benchmarks.checkpoints [--rounds 7] [--steps 200]

Whole calls of `train` take turns in one process; both evaluate at the start and the end only. One thread trains,
a background thread writes. The resume state is saved every five seconds, as always. Writes
benchmarks/checkpoints.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from rich.console import Console

from benchmarks.machine import describe

EVERY = {"every 10 steps": 10, "first and last only": 10**9}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    from grokscope.config import preset
    from grokscope.training import train

    seconds: dict[str, list[float]] = {name: [] for name in EVERY}
    with tempfile.TemporaryDirectory(dir=".") as folder:
        for turn in range(options.rounds):
            for name, every in EVERY.items():
                config = preset("mul-lion-clip", steps=options.steps, eval_every=options.steps, every=every)
                begin = time.perf_counter()
                train(config, out=Path(folder, f"{turn}-{every}"), progress=False)
                seconds[name].append(time.perf_counter() - begin)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    dense, sparse = (medians[name] for name in EVERY)
    overheads = [a / b - 1 for a, b in zip(*seconds.values(), strict=True)]
    result = {
        "machine": describe(),
        "rounds": options.rounds,
        "steps": options.steps,
        "median_seconds": medians,
        "overhead_of_medians": dense / sparse - 1,
        "overhead_by_round": overheads,
    }
    Path(__file__).with_name("checkpoints.json").write_text(json.dumps(result, indent=2) + "\n")
    console = Console()
    for name, value in medians.items():
        console.print(f"{name}: {value:.2f} s for {options.steps} steps (median of {options.rounds})")
    console.print(f"a checkpoint every 10 steps costs {dense / sparse - 1:+.1%}")


if __name__ == "__main__":
    main()
