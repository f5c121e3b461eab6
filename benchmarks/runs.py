"""What whole runs cost from the shell to exit, with today's grokscope and with that before: a part of `make bench`.

    python -m benchmarks.runs [--rounds 5] [--steps 600 1] [--smallest] [--out FILE]

The command is `grokscope train mul-lion-clip --steps N --seed 0`, for each N. It is called in a process of its own, and
counted are its CPU time (user and system, all threads) and its wall time, the start of Python included. The checkouts
take turns, in changing order; a first call of each, for what is compiled once per machine, is not counted. Where the
checkout before cannot be made, today's is measured alone, and why is printed. Writes benchmarks/runs.json.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from benchmarks import before
from benchmarks.command_line import command_line
from benchmarks.machine import describe
from benchmarks.smallest import SMALLEST
from benchmarks.turns import in_turn
from benchmarks.unavailable import Unavailable

PRESET = "mul-lion-clip"
NOW, BEFORE = "now", "before"
COSTS = ("cpu_s", "wall_s")


def call(checkout: Path, words: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with the grokscope of a checkout, in another folder.

    Raises RuntimeError, with what it printed, if it fails.
    """
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"python {' '.join(words)} ended with exit code {done.returncode}: {done.stderr.strip()}")
    return done


def check(checkout: Path) -> None:
    """Raise RuntimeError if Python would import another grokscope than that of the checkout."""
    with TemporaryDirectory() as folder:
        done = call(checkout, ["-c", "import grokscope; print(grokscope.__file__)"], Path(folder))
    found = Path(done.stdout.strip()).parents[1]
    if found != checkout:
        raise RuntimeError(f"grokscope was imported from {found}, not from {checkout}")


def train_words(preset: str, steps: int, settings: Mapping[str, Any]) -> list[str]:
    """What Python is called with to train a preset into the folder `run` of the current one."""
    changed = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return ["-m", "grokscope.cli", "train", preset, "--steps", str(steps), "--seed", "0", "--out", "run", *changed]


def cost(checkout: Path, steps: int, settings: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of CPU and of wall time of one `grokscope train`, in an output directory of its own."""
    words = train_words(PRESET, steps, settings)
    with TemporaryDirectory() as folder:
        start, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        call(checkout, words, Path(folder))
        wall, end = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"cpu_s": end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime, "wall_s": wall}


def measure(
    checkouts: Mapping[str, Path], steps: Sequence[int], rounds: int, settings: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """By command: for each checkout the costs of every round and their medians; and the ratio of medians to before."""
    for checkout in checkouts.values():
        check(checkout)
        cost(checkout, 1, settings)
    costs = {count: {name: {of: [] for of in COSTS} for name in checkouts} for count in steps}
    for turn in range(rounds):
        for count, of_checkouts in costs.items():
            for name in in_turn(checkouts, turn):
                for of, seconds in cost(checkouts[name], count, settings).items():
                    of_checkouts[name][of].append(seconds)
    return {f"grokscope train {PRESET} --steps {n} --seed 0": summary(found) for n, found in costs.items()}


def summary(costs: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, Any]:
    """The costs of one command by checkout, with their medians; and the ratio of medians where there are both."""
    medians = {name: {of: statistics.median(rounds) for of, rounds in own.items()} for name, own in costs.items()}
    ratio = {of: medians[NOW][of] / medians[BEFORE][of] for of in COSTS} if BEFORE in medians else {}
    return {"rounds": costs, "median": medians, "ratio": ratio}


def main() -> None:
    parser = command_line(__doc__, rounds=5, out=Path(__file__).with_name("runs.json"))
    parser.add_argument("--steps", nargs="+", type=int, default=[600, 1], help="how long the run of each command is")
    options = parser.parse_args()
    console, checkouts, left_out = Console(soft_wrap=True, highlight=False), {NOW: before.ROOT}, {}
    try:
        checkouts[BEFORE] = before.checkout()
    except Unavailable as why:
        left_out[BEFORE] = str(why)
        console.print(f"{BEFORE} is left out: {why}")
    machine = describe()
    console.print(", ".join(f"{key} {value}" for key, value in machine.items()))
    commands = measure(checkouts, options.steps, options.rounds, SMALLEST if options.smallest else {})
    for command, found in commands.items():
        console.print(command)
        for name, median in found["median"].items():
            console.print(f"  {name:<8} {median['cpu_s']:7.2f} s of CPU, {median['wall_s']:7.2f} s of wall time")
        if found["ratio"]:
            cpu, wall = (found["ratio"][of] for of in COSTS)
            console.print(f"  {NOW} takes {cpu:.2f} of the CPU time and {wall:.2f} of the wall time")
    result = {"machine": machine, "left_out": left_out, "commands": commands}
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    console.print(f"wrote {options.out.name}")


if __name__ == "__main__":
    main()
