"""What watching costs: the same training with dense checkpoints, with probes, with both, and with neither; and what
signal, memory and noise cost that are recorded around steps.

    python -m benchmarks.observing [--rounds 7] [--steps 200] [--smallest] [--out FILE]

Whole calls of `train` take turns in one process; all evaluate at the start and the end only. One thread trains,
a background thread writes. The resume state is saved every five seconds, as always. Writes
benchmarks/observing.json.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.command_line import command_line
from benchmarks.machine import describe
from benchmarks.smallest import SMALLEST

NEVER = 10**9
SETTINGS: dict[str, dict[str, Any]] = {
    "neither": {"checkpoints.every": NEVER, "record_every": None},
    "a checkpoint every 10 steps": {"checkpoints.every": 10, "record_every": None},
    "probes every 10 steps": {"checkpoints.every": NEVER, "record_every": 10},
    "both": {"checkpoints.every": 10, "record_every": 10},
    "signal, memory and noise every 10 steps": {"checkpoints.every": NEVER, "record_every": None, "margins_every": 10},
}


def main() -> None:
    parser = command_line(__doc__, rounds=7, steps=200, out=Path(__file__).with_name("observing.json"))
    options = parser.parse_args()
    from grokscope.config import preset
    from grokscope.training import train

    smallest = SMALLEST if options.smallest else {}
    seconds: dict[str, list[float]] = {name: [] for name in SETTINGS}
    with tempfile.TemporaryDirectory(dir=".") as folder:
        for turn in range(options.rounds):
            for number, (name, changes) in enumerate(SETTINGS.items()):
                config = preset("mul-lion-clip", steps=options.steps, eval_every=options.steps, **smallest, **changes)
                begin = time.perf_counter()
                train(config, out=Path(folder, f"{turn}-{number}"), progress=False)
                seconds[name].append(time.perf_counter() - begin)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    overheads = {
        name: [watched / alone - 1 for watched, alone in zip(times, seconds["neither"], strict=True)]
        for name, times in seconds.items()
    }
    result = {
        "machine": describe(),
        "rounds": options.rounds,
        "steps": options.steps,
        "median_seconds": medians,
        "overhead_of_medians": {name: value / medians["neither"] - 1 for name, value in medians.items()},
        "overhead_by_round": overheads,
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    console = Console()
    for name, value in medians.items():
        told = f"{result['overhead_of_medians'][name]:+.1%} by medians"
        told += f", {min(overheads[name]):+.1%} to {max(overheads[name]):+.1%} by round"
        console.print(f"{name}: {value:.2f} s for {options.steps} steps ({told})")


if __name__ == "__main__":
    main()
