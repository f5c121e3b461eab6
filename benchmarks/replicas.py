"""How many steps of a run a second come out of training 1, 8 or 64 seeds side by side, on a processor or a GPU.

    python -m benchmarks.replicas [--device cuda] [--replicas 1 8 64] [--rounds 3] [--steps 40] [--smallest]

Multiplication mod 97 as published (Lion with clip, two layers, batch 512). Contestants take turns: `train` in one
process, and `Replicas` of each size. Steps of all networks are counted, so that 8 networks that take a step in the time
of one make 8. Before anything is timed, each takes some steps, in which kernels are chosen, and on a GPU four epochs,
in which steps are recorded. Writes benchmarks/replicas.json, an entry for each device.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.command_line import command_line
from benchmarks.machine import describe
from benchmarks.smallest import MODULAR
from benchmarks.turns import in_turn
from grokscope.config import RunConfig, override, preset
from grokscope.tasks import run_task
from grokscope.training import Replicas, Trainer


def config_of(device: str, *, smallest: bool) -> RunConfig:
    """The published run on a device."""
    config = preset("mul-lion-clip", device=device, steps=100_000)
    return override(config, MODULAR) if smallest else config


def steps_a_second(update: Callable[[], object], networks: int, steps: int, device: str) -> float:
    """Steps of all networks in a second."""
    _wait(device)
    begin = time.perf_counter()
    for _ in range(steps):
        update()
    _wait(device)
    return networks * steps / (time.perf_counter() - begin)


def _wait(device: str) -> None:
    """Until a GPU has done what it was given."""
    if device != "cpu":
        torch.cuda.synchronize()


def measure(device: str, sizes: list[int], rounds: int, steps: int, *, smallest: bool) -> dict[str, object]:
    """Medians over rounds, and the device's name."""
    config = config_of(device, smallest=smallest)
    trainer = Trainer(config, run_task(config))
    contestants: dict[str, tuple[Callable[[], object], int]] = {"train": (trainer.update, 1)}
    for size in sizes:
        replicas = Replicas(config, range(size))
        contestants[f"{size} side by side"] = (replicas.update, size)
    warm = 2 if device == "cpu" else 4 * trainer.batches.steps_per_epoch
    for update, _ in contestants.values():
        for _ in range(warm):
            update()
    measured: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name in in_turn(contestants, number):
            update, networks = contestants[name]
            measured[name].append(steps_a_second(update, networks, steps, device))
    medians = {name: round(statistics.median(values), 1) for name, values in measured.items()}
    return {
        "device": torch.cuda.get_device_name(device) if device != "cpu" else "cpu, one thread",
        "rounds": rounds,
        "steps": steps,
        "steps_a_second": medians,
        "times_train": {name: round(value / medians["train"], 2) for name, value in medians.items()},
        "machine": describe(),
    }


def main() -> None:
    parser = command_line(__doc__, rounds=3, steps=40, out=Path(__file__).with_name("replicas.json"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 8, 64])
    given = parser.parse_args()
    torch.set_num_threads(1)
    measured = measure(given.device, given.replicas, given.rounds, given.steps, smallest=given.smallest)
    known = json.loads(given.out.read_text()) if given.out.exists() else {}
    given.out.write_text(json.dumps({**known, given.device: measured}, indent=2) + "\n")
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
