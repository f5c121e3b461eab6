"""Very many runs in a directory, and very many checkpoints in a run."""

from __future__ import annotations

import json
import random
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import track

from benchmarks.load.processes import Counts, in_child, seconds_of
from benchmarks.load.training import is_bad, small_config, train_or_resume

OPEN_FILES = 64


def runs(folder: Path, times: int, chance: random.Random) -> Counts:
    """List many runs, from Python and by the command."""
    import subprocess
    import sys

    from grokscope.runs import list_runs

    in_child(lambda: train_or_resume(folder / "run"))
    top = folder / "many"
    for number in track(range(times), description="runs"):
        shutil.copytree(folder / "run", top / f"{number:06d}", ignore=shutil.ignore_patterns("step_*", "state.*"))
    rows: list[dict] = []
    seconds = seconds_of(lambda: rows.extend(list_runs(top)))
    command = [sys.executable, "-m", "grokscope.cli", "runs", str(top)]
    commands = [seconds_of(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(2)]
    bad = sum(row["status"] != "finished" or row["grok_step"] != rows[0]["grok_step"] for row in rows)
    return {
        "listed": len(rows),
        "bad": bad + (len(rows) != times),
        "seconds_to_list": round(seconds, 2),
        "seconds_of_the_command": round(min(commands), 2),
    }


def checkpoints(folder: Path, times: int, chance: random.Random) -> Counts:
    """Open, list and verify a run of many checkpoints, and read one parameter at all of them."""
    import torch

    from grokscope.runs import list_runs, open_run

    path, config = folder / "run", small_config()
    _many(path, config, times)
    with _few_files():
        counts: Counts = {"open_files": OPEN_FILES}
        opened: list = []
        counts["seconds_to_open"] = round(seconds_of(lambda: opened.append(open_run(path))), 2)
        counts["seconds_to_list"] = round(seconds_of(lambda: list_runs(folder)), 2)
        damaged: list = []
        counts["seconds_to_verify"] = round(seconds_of(lambda: damaged.append(is_bad(path))), 2)
        values: list = []
        run = opened[0]
        counts["seconds_of_a_trajectory"] = round(seconds_of(lambda: values.append(run.trajectory("ln_final.w"))), 2)
    right = torch.equal(values[0][:, 0], torch.arange(times, dtype=torch.float32))
    counts["bad"] = (len(run.steps) != times) + damaged[0] + (not right)
    return counts


def _many(path: Path, config, times: int) -> None:
    """A closed run of so many checkpoints, each told from the others by one number."""
    from grokscope.disk.files import digest
    from grokscope.model import initial_weights
    from grokscope.runs import create_run
    from grokscope.runs.layout import checkpoint_file
    from grokscope.runs.manifest import Entry, serialise
    from grokscope.tasks import build_task

    weights = initial_weights(config.model, build_task(config.task), seed=0)
    writer = create_run(path, config)
    with (path / "manifest.jsonl").open("a") as manifest:  # as the writer would, without making each durable
        for step in track(range(times), description="checkpoints"):
            weights["ln_final.w"][0] = float(step)
            data = serialise(weights)
            (path / checkpoint_file(step)).write_bytes(data)
            manifest.write(json.dumps(Entry(checkpoint_file(step), len(data), digest(data), step).row()) + "\n")
    writer.finish("finished")


@contextmanager
def _few_files() -> Iterator[None]:
    """At most `OPEN_FILES` open files inside the block."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
