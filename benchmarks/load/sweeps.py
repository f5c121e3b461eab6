"""A sweep, its workers, or both are killed at random moments: no run is lost or trained over, no process is left."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from secrets import token_hex

from rich.progress import track

from benchmarks.load.processes import TAG, Counts, bearing
from benchmarks.load.training import is_bad

ROOT = Path(__file__).parents[2]
RUNS, STEPS = 8, 600
FILE = """
seeds = [SEEDS]
[settings]
task = { name = "mul", modulus = 7, train_fraction = 0.36 }
model = { n_layers = 1, d_model = 8, n_heads = 2, d_mlp = 16 }
training = { steps = STEPS, batch_size = 6, eval_every = 20 }
checkpoints.every = 50
"""
# In a process of its own: in a test's, the shape of every array is checked at every step.
DIRECTLY = """
import sys
import grokscope
for job in grokscope.load_sweep(sys.argv[1]).jobs:
    grokscope.train(job.config, sys.argv[2] + "/" + job.name, progress=False)
"""


def train_directly(file: Path, folder: Path) -> None:
    """Train every run of the sweep in `file` below `folder`, one after the other: what a sweep must come to."""
    command = [sys.executable, "-c", DIRECTLY, str(file), str(folder)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


class Killing:
    """A sweep in processes that bear a mark. What is not as promised is a sentence in what its methods return."""

    def __init__(self, folder: Path, seeds: range, steps: int) -> None:
        from grokscope.sweeps import Sweep, load_sweep

        folder.mkdir(parents=True, exist_ok=True)
        self.file, self.out = folder / "sweep.toml", folder / "out"
        self.file.write_text(FILE.replace("SEEDS", ", ".join(map(str, seeds))).replace("STEPS", str(steps)))
        self.sweep: Sweep = load_sweep(self.file)
        self.mark = token_hex(8)
        self.ended: dict[str, bytes] = {}
        """Status files of the runs that were seen to have ended."""

    def start(self) -> subprocess.Popen[str]:
        """Begin the sweep, or go on with it."""
        command = [sys.executable, "-m", "grokscope.cli", "sweep", str(self.file), "--out", str(self.out)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), TAG: self.mark}
        return subprocess.Popen(
            [*command, "--workers", "2"], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    @property
    def is_over(self) -> bool:
        """Whether every run was seen to have ended."""
        return len(self.ended) == len(self.sweep.jobs)

    def look(self) -> list[str]:
        """What is on disk is whole, and what has ended is not touched again."""
        from grokscope.runs import open_run

        bad = []
        for job in self.sweep.jobs:
            path = self.out / job.name
            if not (path / "config.json").exists():
                continue
            if is_bad(path):
                bad.append(f"{job.name} is damaged")
            if open_run(path).status == "finished":
                status = (path / "status.json").read_bytes()
                if self.ended.setdefault(job.name, status) != status:
                    bad.append(f"{job.name} had ended and was trained again")
        return bad

    def round(self, chance: random.Random) -> list[str]:
        """Start the sweep, kill something after a while, and see that nothing goes on without the sweep."""
        victims = chance.choice(["worker", "sweep", "both"])
        with self.start() as sweep:
            time.sleep(chance.uniform(1.5, 6))
            workers = [process for process in bearing(self.mark) if process.pid != sweep.pid]
            if victims != "sweep" and workers:
                for worker in workers if victims == "both" else [chance.choice(workers)]:
                    worker.kill()
            if victims == "worker":
                # It goes on without that worker; a moment later it is killed too, so that there are more rounds.
                time.sleep(chance.uniform(0, 3))
            sweep.kill()
        deadline = time.monotonic() + 20
        while bearing(self.mark) and time.monotonic() < deadline:
            time.sleep(0.05)
        return ["a process is left"] * bool(bearing(self.mark)) + self.look()

    def finish(self, direct: Path) -> list[str]:
        """Undisturbed, it ends, with each run as it is in `direct`, where every run was trained alone."""
        from grokscope.runs import open_run

        with self.start() as sweep:
            told, errors = sweep.communicate(timeout=600)
        if sweep.returncode:
            return [f"exit code {sweep.returncode}: {errors}"]
        bad = self.look()
        if f"{len(self.sweep.jobs)} of {len(self.sweep.jobs)} runs done" not in told:
            bad.append(f"the sweep told something else: {told}")
        if {path.name for path in self.out.iterdir()} != {"logs", *self.ended}:
            bad.append(f"a run has not ended, or something else lies in {self.out}")
        for job in self.sweep.jobs:
            run, alone = open_run(self.out / job.name), open_run(direct / job.name)
            if run.digests != alone.digests or list(run.metrics["step"]) != list(alone.metrics["step"]):
                bad.append(f"{job.name} is not as it is when it is trained alone")
        return bad + ["a process is left"] * bool(bearing(self.mark))


def sweeps(folder: Path, times: int, chance: random.Random) -> Counts:
    """Kill sweeps of eight runs and two workers; one whose runs have ended is compared, and a new one begun."""
    counts: Counter[str] = Counter(kills=0, ends=0, runs_ended=0, bad=0)
    direct, number = folder / "direct", 0
    killing = Killing(folder / "0", range(RUNS), STEPS)
    train_directly(killing.file, direct)
    for turn in track(range(times), description="sweeps"):
        problems = killing.round(chance)
        counts["kills"] += 1
        if killing.is_over or turn == times - 1:
            problems += killing.finish(direct)
            counts["ends"] += 1
            counts["runs_ended"] += len(killing.ended)
            number += 1
            killing = Killing(folder / str(number), range(RUNS), STEPS)
        for problem in problems:
            print(f"round {turn}: {problem}", file=sys.stderr)
        counts["bad"] += len(problems)
    return dict(counts)
