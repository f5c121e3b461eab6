"""How long a step takes whose numbers fall below the least normal one, where they are kept and where they are zero.

    python -m benchmarks.subnormals [--times 1 10 30 100] [--rounds 3] [--steps 10] [--smallest]

Multiplication mod 97 with plain Lion on one thread, all weight matrices multiplied by a number at the start: the logits
of attention and answers are as far apart then as in a network whose norms have grown, and the smallest of its
probabilities and gradients are subnormal. Training that keeps them and training that takes them for zero go in turns;
seconds are the processor's, so that other work counts little. Writes benchmarks/subnormals.json.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import torch

from benchmarks.command_line import command_line
from benchmarks.machine import describe
from benchmarks.smallest import MODULAR
from benchmarks.turns import in_turn
from grokscope import subnormals
from grokscope.config import RunConfig, override, preset
from grokscope.tasks import run_task
from grokscope.training import Trainer

WAYS = {"kept": 2, "zero": 1}
"""Threads that `subnormals.as_zero` is told of, by what it does for so many."""


def milliseconds(config: RunConfig, times: float, threads: int, steps: int) -> float:
    """The processor's time of a step, of a network whose weights are multiplied."""
    with subnormals.as_zero(threads):
        trainer = Trainer(config, run_task(config))
        with torch.no_grad():
            for name, value in trainer.weights.items():
                if name.rpartition(".")[-1].startswith("W_"):
                    value.mul_(times)
        for _ in range(2):
            trainer.update()
        begin = time.process_time()
        for _ in range(steps):
            trainer.update()
        return 1000 * (time.process_time() - begin) / steps


def measure(times: list[float], rounds: int, steps: int, *, smallest: bool) -> dict[str, object]:
    """Medians over rounds."""
    config = override(preset("mul-lion", steps=100_000), MODULAR if smallest else {})
    measured: dict[tuple[float, str], list[float]] = {(one, way): [] for one in times for way in WAYS}
    for number in range(rounds):
        for one, way in in_turn(measured, number):
            measured[one, way].append(milliseconds(config, one, WAYS[way], steps))
    medians = {key: statistics.median(values) for key, values in measured.items()}
    return {
        "rounds": rounds,
        "steps": steps,
        "milliseconds_a_step": {f"{one:g}": {way: round(medians[one, way], 1) for way in WAYS} for one in times},
        "kept_over_zero": {f"{one:g}": round(medians[one, "kept"] / medians[one, "zero"], 1) for one in times},
        "machine": describe(),
    }


def main() -> None:
    parser = command_line(__doc__, rounds=3, steps=10, out=Path(__file__).with_name("subnormals.json"))
    parser.add_argument("--times", type=float, nargs="+", default=[1, 10, 30, 100])
    given = parser.parse_args()
    torch.set_num_threads(1)
    measured = measure(given.times, given.rounds, given.steps, smallest=given.smallest)
    given.out.write_text(json.dumps(measured, indent=2) + "\n")
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
