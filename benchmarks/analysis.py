"""How long it takes to look through a run: families of analyses, beside a plain loop that only gathers.

    python -m benchmarks.analysis [--run DIR] [--preset mul-lion-clip] [--steps 1000] [--only fourier dynamics]
                                  [--workers 2] [--rounds 3] [--smallest]

Trains the run first unless `--run` names one (its kept tables are ignored: a copy is analysed). The plain loop loads
each checkpoint into a `HookedTransformer` and calls `run_with_cache` on every example, for the same activations that
the analyses read, and analyses nothing. Figures are medians over rounds; checkpoints for the loop are a sample,
and its total is scaled up from them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers of one thread beat one worker of two

import torch
from rich.console import Console

from benchmarks.machine import describe
from benchmarks.smallest import HELP, SMALLEST
from grokscope.analysis import run_all
from grokscope.config import preset
from grokscope.runs import Run, open_run
from grokscope.training import train

SAMPLE = 10
CHUNK = 1024


def trained(name: str, steps: int, folder: Path, settings: Mapping[str, Any]) -> Run:
    """A run to look through."""
    train(preset(name, steps=steps, **settings), out=folder / "run")
    return open_run(folder / "run")


def analyse(run: Run, family: str, workers: int) -> float:
    """Seconds to make every table of a family from nothing."""
    shutil.rmtree(run.analysis_path, ignore_errors=True)
    fresh = open_run(run.path)
    begin = time.perf_counter()
    run_all(fresh, [family], workers=workers)
    return time.perf_counter() - begin


def gather(run: Run, threads: int) -> float:
    """Seconds per checkpoint to gather the activations that the analyses read, with `run_with_cache`."""
    torch.set_num_threads(threads)
    blocks = [f"blocks.{layer}" for layer in range(run.config.model.n_layers)]
    names = {f"{block}.{hook}" for block in blocks for hook in ("hook_attn_out", "mlp.hook_post")}
    names.add(f"{blocks[-1]}.hook_resid_post")
    spacing = max(1, len(run.steps) // SAMPLE)
    seconds = []
    with torch.no_grad():
        for step in run.steps[::spacing][:SAMPLE]:
            begin = time.perf_counter()
            model = run.model(step)
            found: dict[str, list[torch.Tensor]] = {name: [] for name in [*names, "logits"]}
            for tokens in run.task.tokens.split(CHUNK):
                logits, cache = model.run_with_cache(tokens, names_filter=lambda name: name in names)
                found["logits"].append(logits[:, -1])
                for name in names:
                    found[name].append(cache[name][:, -1])
            _ = {name: torch.cat(parts) for name, parts in found.items()}
            seconds.append(time.perf_counter() - begin)
    torch.set_num_threads(1)
    return statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a run to look through; left out: train one")
    parser.add_argument("--preset", default="mul-lion-clip")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--only", nargs="+", default=["fourier", "dynamics"], help="families, each timed on its own")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smallest", action="store_true", help=HELP)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if options.run is None:
            run = trained(options.preset, options.steps, Path(folder), SMALLEST if options.smallest else {})
        else:
            shutil.copytree(options.run, Path(folder) / "run", ignore=shutil.ignore_patterns("analysis"))
            run = open_run(Path(folder) / "run")
        families: dict[str, list[float]] = {family: [] for family in options.only}
        plain = []
        for _ in range(options.rounds):
            for family, seconds in families.items():
                seconds.append(analyse(run, family, options.workers))
            plain.append(gather(run, options.workers))
        result = {
            "run": f"{run.task.name}, {len(run.steps)} checkpoints",
            **describe(),
            "workers": options.workers,
            "threads_per_worker": 1,
            "threads_of_plain_loop": options.workers,
            "seconds": {family: statistics.median(seconds) for family, seconds in families.items()},
            "run_with_cache_seconds": statistics.median(plain) * len(run.steps),
            "rounds": families,
        }
    Console().print_json(json.dumps(result))


if __name__ == "__main__":
    main()
