"""`make bench`: ms per training step, ms per full-dataset evaluation and peak memory of each contestant.

    python -m benchmarks.speed [--rounds 12] [--workloads mul s5 ...] [--threads 1 2] [--smallest]

Contestants take turns (A B C A B C ...), each in a process of its own; figures are medians over all steps,
and ratios are between medians of the same run. Writes benchmarks/last.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.contestants import CONTESTANTS, WORKLOADS, Worker
from benchmarks.machine import describe, matmul_rate, shape_rates
from benchmarks.smallest import HELP, SMALLEST

STEPS_PER_TURN = 4


def measure(workload: str, threads: int, rounds: int, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One workload at one thread count, with some settings changed."""
    preset_name, overrides = WORKLOADS[workload]
    rate_size = 64 if settings else 2048
    overrides = {**overrides, **(settings or {})}
    names = list(CONTESTANTS)
    workers = {name: Worker(name, preset_name, overrides, threads) for name in names}
    pair = [Worker("c", preset_name, overrides, 1) for _ in range(2)] if threads == 1 else []
    for worker in [*workers.values(), *pair]:
        worker.wait_ready()
    step: dict[str, list[float]] = {name: [] for name in [*names, *(["d"] if pair else [])]}
    evaluation: dict[str, list[float]] = {name: [] for name in names}
    for worker in workers.values():
        worker.run("step", 3)
    for turn in range(rounds):
        for name, worker in workers.items():
            step[name] += worker.run("step", STEPS_PER_TURN)
            if turn % 4 == 0:
                evaluation[name] += worker.run("evaluate")
        for worker in pair:
            worker.ask("step", 2 * STEPS_PER_TURN)
        for worker in pair:
            step["d"] += worker.answer()
    memory = {name: worker.run("memory") for name, worker in workers.items()}
    for worker in [*workers.values(), *pair]:
        worker.stop()
    out: dict[str, Any] = {"workload": workload, "preset": preset_name, "threads": threads}
    out["step_ms"] = {name: statistics.median(times) for name, times in step.items()}
    out["evaluation_ms"] = {name: statistics.median(times) for name, times in evaluation.items()}
    out["peak_mib"] = {name: peak for name, (peak, _) in memory.items()}
    out["peak_above_start_mib"] = {name: grown for name, (_, grown) in memory.items()}
    out["ratio"] = {f"step {name}/c": out["step_ms"][name] / out["step_ms"]["c"] for name in step if name != "c"} | {
        f"evaluation {name}/c": out["evaluation_ms"][name] / out["evaluation_ms"]["c"] for name in names if name != "c"
    }
    return out | floor(preset_name, overrides, threads, out["step_ms"], rate_size)


def floor(
    preset_name: str, overrides: dict[str, Any], threads: int, step_ms: dict[str, float], size: int
) -> dict[str, Any]:
    """The time that each engine's products alone would take at the rate of a large product."""
    from grokscope.config import preset
    from grokscope.engine import Engine
    from grokscope.tasks import build_task
    from grokscope.training import Trainer

    config = preset(preset_name, **overrides)
    task = build_task(config.task)
    n_train = len(task.split(config.task.train_fraction, 0)[0])
    batch = min(config.training.batch_size or n_train, n_train)
    compiled = Trainer(preset(preset_name, **{**overrides, "forward": "compiled"}), task).compiled
    assert compiled is not None
    gflop = {"c": 3 * Engine(config.model, task).flops(batch) / 1e9, "e": compiled.flops(batch) / 1e9}
    rates = matmul_rate(threads, size)
    floors = {engine: {name: 1e3 * needed / rate for name, rate in rates.items()} for engine, needed in gflop.items()}
    return {
        "gflop_per_step": gflop,
        "gflops_rate": rates,
        "gflops_rate_of_shapes": shape_rates(threads, min(batch, size), config.model.d_model, config.model.d_mlp),
        "floor_ms": floors,
        "share_of_floor": {
            engine: {name: value / step_ms[engine] for name, value in of_rates.items()}
            for engine, of_rates in floors.items()
        },
    }


def show(console: Console, results: list[dict[str, Any]]) -> None:
    """The results as lines, narrow enough for any terminal or log."""
    for result in results:
        console.print(
            f"\n{result['workload']}, {result['threads']} thread(s), {result['gflop_per_step']['c']:.2f} GFLOP a step, "
            f"{result['gflop_per_step']['e']:.2f} compiled"
        )
        for name, ms in result["step_ms"].items():
            title = CONTESTANTS.get(name, "two engines at once, each")
            line = f"  ({name}) {title:<26} {ms:7.1f} ms/step  {ms / result['step_ms']['c']:5.2f}x"
            if name in result["evaluation_ms"]:
                line += f"  {result['evaluation_ms'][name]:6.0f} ms/evaluation"
                line += f"  peak {result['peak_mib'][name]:4.0f} MiB"
                line += f" ({result['peak_above_start_mib'][name]:.0f} above its start)"
            console.print(line, soft_wrap=True, highlight=False)
        for engine, floors in result["floor_ms"].items():
            for name, ms in floors.items():
                line = f"      floor at {name}'s rate".ljust(32) + f"{ms:7.1f} ms; the {CONTESTANTS[engine]} runs at"
                share = result["share_of_floor"][engine][name]
                console.print(f"{line} {share:.0%} of it", soft_wrap=True, highlight=False)
        for shape, rates in result["gflops_rate_of_shapes"].items():
            line = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
            console.print(f"      GFLOP/s of {shape}: {line}", soft_wrap=True, highlight=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS), choices=list(WORKLOADS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("last.json"))
    parser.add_argument("--smallest", action="store_true", help=HELP)
    options = parser.parse_args()
    console = Console()
    machine = describe()
    console.print(", ".join(f"{key} {value}" for key, value in machine.items()))
    results = []
    for workload in options.workloads:
        for threads in options.threads:
            console.print(f"measuring {workload}, {threads} thread(s) ...")
            results.append(measure(workload, threads, options.rounds, SMALLEST if options.smallest else None))
    show(console, results)
    options.out.write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n")
    console.print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
