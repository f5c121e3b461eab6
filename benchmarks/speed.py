"""`make bench`: ms per training step, ms per full-dataset evaluation and peak memory of each contestant.

    python -m benchmarks.speed [--rounds 12] [--workloads mul s5 ...] [--contestants a o e ...] [--threads 1 2]
                               [--smallest] [--out FILE]

Contestants take turns (A B C A B C ...), each in a process of its own; figures are medians over all steps,
and ratios are between medians of the same run. A contestant that cannot run here is left out, and why is printed.
Writes benchmarks/last.json.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks.command_line import command_line
from benchmarks.contestants import CONTESTANTS, WORKLOADS
from benchmarks.machine import describe, matmul_rate, shape_rates
from benchmarks.smallest import SMALLEST
from benchmarks.unavailable import Unavailable
from benchmarks.worker import Worker

if TYPE_CHECKING:
    from grokscope.config import RunConfig
    from grokscope.tasks import Task

STEPS_PER_TURN = 4
TURNS_PER_EVALUATION = 4

BASES = {"o": "the engine before", "c": "the engine"}
"""Contestants that the others are compared to."""
ENGINES = ("c", "e")
"""Contestants whose matrix products are counted, for the floor."""
BEST = "best"
"""In place of a library: the best rate of any, on the large product or on the products of an MLP."""


def start(
    names: Sequence[str], preset_name: str, overrides: Mapping[str, Any], threads: int
) -> tuple[dict[str, list[Worker]], dict[str, str]]:
    """The processes of each contestant that can run, warm; and why each of the others is left out, in a sentence."""
    workers: dict[str, list[Worker]] = {}
    left_out: dict[str, str] = {}
    for name in names:
        kind = CONTESTANTS[name]
        if kind.processes > 1 and threads > 1:
            left_out[name] = "several processes at once are compared with one thread each"
            continue
        try:
            source = None if kind.source is None else kind.source()
            # One after the other: each gets warm on a quiet machine.
            workers[name] = [Worker(name, preset_name, overrides, threads, source) for _ in range(kind.processes)]
        except Unavailable as why:
            left_out[name] = str(why)
    return workers, left_out


def at_once(processes: Sequence[Worker], command: str, count: int = 1) -> list[float]:
    """Milliseconds of what a contestant did, in all of its processes at the same time."""
    for process in processes:
        process.ask(command, count * len(processes))
    return [ms for process in processes for ms in process.answer()]


def measure(
    workload: str,
    threads: int,
    rounds: int,
    settings: Mapping[str, Any] | None = None,
    names: Sequence[str] = tuple(CONTESTANTS),
) -> dict[str, Any]:
    """One workload at one thread count.

    Arguments:
        settings: by which the config of the workload is changed.
        names: the contestants, by letter; those that cannot run on this machine are left out.
    """
    preset_name, overrides = WORKLOADS[workload], settings or {}
    workers, left_out = start(names, preset_name, overrides, threads)
    step: dict[str, list[float]] = {name: [] for name in workers}
    evaluation: dict[str, list[float]] = {name: [] for name in workers}
    for turn in range(rounds):
        for name, processes in workers.items():
            step[name] += at_once(processes, "step", STEPS_PER_TURN)
            if turn % TURNS_PER_EVALUATION == 0:
                evaluation[name] += at_once(processes, "evaluate")
    memory = {name: processes[0].run("memory") for name, processes in workers.items()}
    for process in (process for processes in workers.values() for process in processes):
        process.stop()
    medians = {
        what: {name: statistics.median(times) for name, times in of_all.items()}
        for what, of_all in (("step", step), ("evaluation", evaluation))
    }
    return {
        "workload": workload,
        "preset": preset_name,
        "threads": threads,
        "left_out": left_out,
        "step_ms": medians["step"],
        "evaluation_ms": medians["evaluation"],
        "peak_mib": {name: peak for name, (peak, _) in memory.items()},
        "peak_above_start_mib": {name: grown for name, (_, grown) in memory.items()},
        "ratio": {
            f"{what} {name}/{base}": ms / of_all[base]
            for what, of_all in medians.items()
            for base in BASES
            if base in of_all
            for name, ms in of_all.items()
            if name != base
        },
    } | floor(preset_name, overrides, threads, medians["step"], 64 if settings else 2048)


def floor(
    preset_name: str, overrides: Mapping[str, Any], threads: int, step_ms: Mapping[str, float], size: int
) -> dict[str, Any]:
    """The time that each engine's products alone would take at the rates that were measured.

    Arguments:
        step_ms: milliseconds per step of each contestant; only engines among them have a floor.
        size: rows and columns of the large product whose rate is measured.
    """
    from grokscope.config import preset
    from grokscope.tasks import build_task

    config = preset(preset_name, **overrides)
    task = build_task(config.task)
    n_train = len(task.split(config.task.train_fraction, 0)[0])
    batch = min(config.training.batch_size or n_train, n_train)
    gflop = {engine: flops(engine, config, task, batch) / 1e9 for engine in ENGINES if engine in step_ms}
    rates = matmul_rate(threads, size)
    of_shapes = shape_rates(threads, min(batch, size), config.model.d_model, config.model.d_mlp)
    best = max(rate for measured in (rates, *of_shapes.values()) for rate in measured.values())
    floors = {
        engine: {name: 1e3 * needed / rate for name, rate in {**rates, BEST: best}.items()}
        for engine, needed in gflop.items()
    }
    return {
        "gflop_per_step": gflop,
        "gflops_rate": rates,
        "gflops_rate_of_shapes": of_shapes,
        "gflops_best_rate": best,
        "floor_ms": floors,
        "share_of_floor": {
            engine: {name: value / step_ms[engine] for name, value in of_rates.items()}
            for engine, of_rates in floors.items()
        },
    }


def flops(engine: str, config: RunConfig, task: Task, batch: int) -> float:
    """Floating-point operations of the matrix products of one step of an engine."""
    from grokscope.config import override
    from grokscope.engine import Engine
    from grokscope.training import Trainer

    if engine == "c":
        return 3 * Engine(config.model, task).flops(batch)
    compiled = Trainer(override(config, {"forward": "compiled"}), task).compiled
    assert compiled is not None
    return compiled.flops(batch)


def show(console: Console, results: list[dict[str, Any]]) -> None:
    """The results as lines, narrow enough for any terminal or log."""

    def line(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    for result in results:
        line(f"\n{result['workload']}, {result['threads']} thread(s)")
        for name, ms in result["step_ms"].items():
            evaluation = result["evaluation_ms"][name]
            line(
                f"  ({name}) {CONTESTANTS[name].title:<26} {ms:7.1f} ms/step  {evaluation:7.1f} ms/evaluation  "
                f"peak {result['peak_mib'][name]:4.0f} MiB ({result['peak_above_start_mib'][name]:.0f} above its start)"
            )
            for base, title in BASES.items():
                ratios = [result["ratio"].get(f"{what} {name}/{base}") for what in ("step", "evaluation")]
                if None not in ratios:
                    line(f"        of {title}: step {ratios[0]:.2f}x, evaluation {ratios[1]:.2f}x")
        for name, why in result["left_out"].items():
            line(f"  ({name}) {CONTESTANTS[name].title} is left out: {why}")
        for engine, floors in result["floor_ms"].items():
            line(f"      {CONTESTANTS[engine].title}: {result['gflop_per_step'][engine]:.2f} GFLOP a step")
            for rate, ms in floors.items():
                share = result["share_of_floor"][engine][rate]
                line(f"        floor at {f'the {rate} rate':<19} {ms:7.1f} ms; it runs at {share:.0%} of that")
        measured = {"a large product": result["gflops_rate"], **result["gflops_rate_of_shapes"]}
        for shape, rates in measured.items():
            of_libraries = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
            line(f"      GFLOP/s of {shape}: {of_libraries}")


def main() -> None:
    parser = command_line(__doc__, rounds=12, out=Path(__file__).with_name("last.json"))
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS), choices=list(WORKLOADS))
    letters = ", ".join(f"{letter}: {kind.title}" for letter, kind in CONTESTANTS.items())
    parser.add_argument("--contestants", nargs="+", default=list(CONTESTANTS), choices=list(CONTESTANTS), help=letters)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    options = parser.parse_args()
    console = Console()
    machine = describe()
    console.print(", ".join(f"{key} {value}" for key, value in machine.items()))
    results = []
    for workload in options.workloads:
        for threads in options.threads:
            console.print(f"measuring {workload}, {threads} thread(s) ...")
            settings = SMALLEST if options.smallest else None
            results.append(measure(workload, threads, options.rounds, settings, options.contestants))
    show(console, results)
    options.out.write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n")
    console.print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
