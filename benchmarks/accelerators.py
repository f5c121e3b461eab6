"""What a step of every accelerator costs, relative to Adam's: part of `make bench`.

    python -m benchmarks.accelerators [--rounds 12] [--task mul] [--smallest] [--out FILE]

The arms of `grokscope.experiments.accelerators`, with and without the clip, take turns in one process with one thread,
four steps a turn (NeuralGrok's outer step comes every fourth). Figures are medians over turns. Writes
benchmarks/accelerators.json, from which `grokscope experiment accelerators` takes the cost of a step.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks.command_line import command_line
from benchmarks.machine import describe
from benchmarks.smallest import SMALLEST

STEPS_PER_TURN = 4
REFERENCE = "adam-l2"


def measure(task: str, rounds: int, settings: Mapping[str, Any] | None = None) -> dict[str, float]:
    """Median milliseconds per step by arm; an arm with the clip is called `ARM clip`.

    Arguments:
        settings: by which the configs are changed; left out: they are as they are compared.
    """
    from grokscope.config import override
    from grokscope.engine import retain_freed_memory
    from grokscope.experiments.accelerators import ARMS, accelerator
    from grokscope.tasks import build_task
    from grokscope.training import Trainer

    retain_freed_memory()
    torch.set_num_threads(1)
    labels = {
        f"{arm} clip" if clip else arm: override(accelerator(task, arm, clip, 0), settings or {})
        for arm in ARMS
        for clip in (False, True)
    }
    trainers = {label: Trainer(made, build_task(made.task)) for label, made in labels.items()}
    times: dict[str, list[float]] = {label: [] for label in trainers}
    for turn in range(rounds + 1):
        for label, trainer in trainers.items():
            begin = time.perf_counter()
            for _ in range(STEPS_PER_TURN):
                trainer.update()
            if turn:  # the first turn warms up
                times[label].append(1e3 * (time.perf_counter() - begin) / STEPS_PER_TURN)
    return {label: statistics.median(of_turns) for label, of_turns in times.items()}


def main() -> None:
    parser = command_line(__doc__, rounds=12, out=Path(__file__).with_name("accelerators.json"))
    parser.add_argument("--task", default="mul")
    options = parser.parse_args()
    step_ms = measure(options.task, options.rounds, SMALLEST if options.smallest else None)
    ratios = {label: value / step_ms[REFERENCE] for label, value in step_ms.items()}
    machine = describe()
    console = Console()
    console.print(", ".join(f"{key} {value}" for key, value in machine.items()))
    for label, value in step_ms.items():
        console.print(f"  {label:<34} {value:7.1f} ms/step  {ratios[label]:5.2f}x {REFERENCE}", highlight=False)
    result = {"machine": machine, "task": options.task, "rounds": options.rounds, "step_ms": step_ms, "ratio": ratios}
    options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
