"""How much sooner two workers finish a sweep of 20 runs than one does.

    python -m benchmarks.sweeping [--rounds 3] [--steps 300] [--runs 20] [--smallest] [--out FILE]

Multiplication mod 97, Lion with clip, a seed per run, one thread each, first and last checkpoints. One worker and two
take turns, in changing order, each in a fresh directory; only ratios within a round mean anything. Writes
benchmarks/sweeping.json.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.command_line import command_line
from benchmarks.machine import describe
from benchmarks.smallest import SMALLEST
from benchmarks.turns import in_turn
from grokscope.sweeps import Sweep, load_sweep, run_sweep

FILE = """
preset = "mul-lion-clip"
seeds = {seeds}
[settings]
training.steps = {steps}
{settings}
[disk]
dense_seeds = []
"""


def seconds(sweep: Sweep, workers: int) -> float:
    """Wall time of the whole sweep, every run trained."""
    with TemporaryDirectory() as folder:
        begin = time.perf_counter()
        ended = run_sweep(sweep, folder, workers)
        elapsed = time.perf_counter() - begin
    assert all(outcome.standing == "finished" and outcome.attempts == 1 for outcome in ended)
    return elapsed


def main() -> None:
    parser = command_line(__doc__, rounds=3, steps=300, out=Path(__file__).with_name("sweeping.json"))
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        file = Path(folder, "throughput.toml")
        settings = "\n".join(f"{name} = {value}" for name, value in (SMALLEST if given.smallest else {}).items())
        file.write_text(FILE.format(seeds=list(range(given.runs)), steps=given.steps, settings=settings))
        sweep = load_sweep(file)
    rounds = []
    for number in range(given.rounds):
        took = {workers: seconds(sweep, workers) for workers in in_turn((1, 2), number)}
        rounds.append({"one": took[1], "two": took[2], "ratio": took[1] / took[2]})
        print(f"round {number + 1}: one worker {took[1]:.1f} s, two {took[2]:.1f} s, ratio {took[1] / took[2]:.2f}")
    ratio = statistics.median(one["ratio"] for one in rounds)
    print(f"median ratio {ratio:.2f} ({given.runs} runs of {given.steps} steps)")
    result = {"machine": describe(), "runs": given.runs, "steps": given.steps, "rounds": rounds, "ratio": ratio}
    given.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
