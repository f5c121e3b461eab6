"""How long it takes to look through a run: families of analyses, beside a plain loop that only gathers.

    python -m benchmarks.analysis [--run DIR] [--preset mul-lion-clip] [--steps 1000] [--only fourier dynamics]
                                  [--workers 2] [--rounds 3] [--smallest]
    python -m benchmarks.analysis --against PATH [--run DIR] [--preset mul-lion-clip] [--steps 1000] [--rounds 3]
    python -m benchmarks.analysis --memory [--smallest]

Trains the run first unless `--run` names one (its kept tables are ignored: a copy is analysed). The plain loop loads
each checkpoint into a `HookedTransformer` and calls `run_with_cache` on every example, for the same activations that
the analyses read, and analyses nothing. Figures are medians over rounds; checkpoints for the loop are a sample,
and its total is scaled up from them.

`--against` compares with another checkout of grokscope, such as a worktree of an earlier commit: the CPU time of every
analysis of the run that the other has, in a process of one thread each, in turn, and how far any number of a table
differs. What an analysis has come to do beside what it did then counts as its time. The other checkout trains the run:
this one opens old runs, and an old one no new ones.

`--memory` is the largest resident memory of a process that makes every table of one checkpoint of S6, a group of 720
elements; and of the commands that import such a network (`grokscope import`) and look at its irreps
(`grokscope analyze RUN --only fourier`).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers of one thread beat one worker of two

import pandas as pd
import torch
from rich.console import Console
from safetensors.torch import save_file

from benchmarks.command_line import command_line
from benchmarks.machine import describe
from benchmarks.runs import call, train_words
from benchmarks.smallest import SMALLEST
from grokscope.analysis import analyses, run_all
from grokscope.config import preset
from grokscope.model import Weights, initial_weights
from grokscope.runs import Run, create_run, open_run
from grokscope.tasks import Task, build_task
from grokscope.training import train

SAMPLE = 10
CHUNK = 1024
ROOT = Path(__file__).parents[1]
DEGREE = 6
SMALLEST_DEGREE = 4


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


def in_process(checkout: Path, run: Path, out: Path, names: Sequence[str] = ()) -> dict[str, Any]:
    """What it takes a process to make tables (all, or some) with a checkout's grokscope; see `benchmarks.analysing`."""
    out.mkdir(parents=True, exist_ok=True)
    words = ["-P", str(ROOT / "benchmarks" / "analysing.py"), str(run), str(out), *names]
    return json.loads(call(checkout.absolute(), words, out).stdout)


def difference(one: pd.Series, other: pd.Series) -> float:
    """The largest difference of two columns, as a share of the largest number; infinite if it cannot be said."""
    if one.equals(other):
        return 0.0
    if not pd.api.types.is_float_dtype(one) or not (one.isna() == other.isna()).all():
        return float("inf")
    return float((one - other).abs().max() / one.abs().max())


def compare(run: Run, against: Path, rounds: int, folder: Path) -> dict[str, Any]:
    """CPU seconds with this checkout and with another, in turn, and the tables that differ."""
    seconds: dict[str, list[float]] = {"this": [], "other": []}
    for _ in range(rounds):
        old = in_process(against, run.path, folder / "other")
        shared = [name for name in old["tables"] if name in analyses()]
        new = in_process(ROOT, run.path, folder / "this", shared)
        seconds["other"].append(old["cpu_seconds"])
        seconds["this"].append(new["cpu_seconds"])
    differences = {}
    for file in sorted((folder / "this").iterdir()):
        old, new = pd.read_parquet(folder / "other" / file.name), pd.read_parquet(file)
        if list(old.columns) != list(new.columns) or len(old) != len(new):
            differences[file.stem] = float("inf")
        elif largest := max(difference(pd.Series(old[column]), pd.Series(new[column])) for column in old):
            differences[file.stem] = largest
    medians = {name: statistics.median(of_rounds) for name, of_rounds in seconds.items()}
    return {
        "cpu_seconds": medians,
        "ratio": medians["this"] / medians["other"],
        "tables_that_differ": differences,
        "rounds": seconds,
    }


def with_key(embedding: torch.Tensor, task: Task) -> torch.Tensor:
    """An embedding to which functions of the group's largest irrep are added."""
    operation = task.operations[0]
    group = operation.group
    largest = max(range(len(group.irreps)), key=lambda irrep: group.irreps[irrep].span_dim)
    functions = torch.tensor(group.fourier_basis()[:, group.fourier_irreps() == largest])
    directions = torch.randn((functions.shape[1], embedding.shape[1]), generator=torch.Generator().manual_seed(0))
    added = (functions @ directions.double()).to(embedding.dtype)
    tokens = torch.from_numpy((operation.left >= 0).nonzero()[0])
    embedding = embedding.clone()
    embedding[tokens] += group.order**0.5 * added[torch.from_numpy(operation.left)[tokens]]
    return embedding


def memory(degree: int, folder: Path) -> dict[str, Any]:
    """Peak memory of all analyses of one checkpoint of a network that composes permutations.

    The network has the irrep of largest dimension as a key, for which ablations take most.
    """
    config = preset("s5-lion-clip", degree=degree)
    task = build_task(config.task)
    weights = initial_weights(config.model, task, config.seed)
    weights["embed.W_E"] = with_key(weights["embed.W_E"], task)
    with create_run(folder / "run", config) as writer:
        writer.checkpoint(0, weights)
        writer.finish("finished", None, 0)
    took = in_process(ROOT, folder / "run", folder / "tables")
    return {
        "peak_gigabytes": took["peak_bytes"] / 1e9,
        "cpu_seconds": took["cpu_seconds"],
        "tables": took["tables"],
        "commands": commands(degree, weights, folder),
    }


def commands(degree: int, weights: Weights, folder: Path) -> dict[str, dict[str, float]]:
    """Peak memory and CPU time of importing the network, and of analysing what was imported."""
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / "step_0.safetensors")
    settings = ("--config", "s5-lion-clip", "--task.degree", str(degree), "--out", "imported")
    return {
        "import": command(folder, "import", "step_0.safetensors", *settings),
        "analyze": command(folder, "analyze", "imported", "--only", "fourier"),
    }


def command(folder: Path, *words: str) -> dict[str, float]:
    """Peak resident memory in GB and CPU seconds of a `grokscope` command; raises CalledProcessError if it fails."""
    process = subprocess.Popen(
        [sys.executable, "-m", "grokscope.cli", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    # The process' own figures: those of `getrusage` are of all children so far.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return {"peak_gigabytes": usage.ru_maxrss * 1024 / 1e9, "cpu_seconds": usage.ru_utime + usage.ru_stime}


def prepared(options: argparse.Namespace, folder: Path) -> Run:
    """The run to look through, in a folder: a copy, or trained now, by the checkout that both can read."""
    settings = SMALLEST if options.smallest else {}
    if options.run is not None:
        shutil.copytree(options.run, folder / "run", ignore=shutil.ignore_patterns("analysis"))
    elif options.against is not None:
        call(options.against.absolute(), train_words(options.preset, options.steps, settings), folder)
    else:
        train(preset(options.preset, steps=options.steps, **settings), out=folder / "run")
    return open_run(folder / "run")


def main() -> None:
    parser = command_line(__doc__, rounds=3, steps=1000)
    parser.add_argument("--run", type=Path, help="a run to look through; left out: train one")
    parser.add_argument("--preset", default="mul-lion-clip")
    parser.add_argument("--only", nargs="+", default=["fourier", "dynamics"], help="families, each timed on its own")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--against", type=Path, help="another checkout, to compare CPU time and tables with")
    parser.add_argument("--memory", action="store_true", help="peak memory of one checkpoint of S6")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if options.memory:
            degree = SMALLEST_DEGREE if options.smallest else DEGREE
            Console().print_json(json.dumps({"degree": degree, **describe(), **memory(degree, Path(folder))}))
            return
        run = prepared(options, Path(folder))
        about = {"run": f"{run.task.name}, {len(run.steps)} checkpoints", **describe()}
        if options.against is not None:
            result = compare(run, options.against, options.rounds, Path(folder))
            Console().print_json(json.dumps({**about, **result}))
            return
        families: dict[str, list[float]] = {family: [] for family in options.only}
        plain = []
        for _ in range(options.rounds):
            for family, seconds in families.items():
                seconds.append(analyse(run, family, options.workers))
            plain.append(gather(run, options.workers))
        result = {
            **about,
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
