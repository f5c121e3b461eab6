"""kill -9 of workers, of the sweep, and of both, at random: no run is lost or trained over, no process is left."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

import psutil
import pytest

import grokscope
from grokscope.runs import open_run, verify_run
from grokscope.sweeps import Sweep, load_sweep
from tests.sweeps.direct import train_directly

ROOT = Path(grokscope.__file__).parents[1]
TAG = "GROKSCOPE_TEST_SWEEP"
FILE = """
seeds = [SEEDS]
[settings]
task = { name = "mul", modulus = 7, train_fraction = 0.36 }
model = { n_layers = 1, d_model = 8, n_heads = 2, d_mlp = 16 }
training = { steps = STEPS, batch_size = 6, eval_every = 20 }
checkpoints.every = 50
"""


class Killing:
    """A sweep in a process of its own, its processes told by a mark in their environment."""

    def __init__(self, folder: Path, seeds: range, steps: int) -> None:
        self.file, self.out = folder / "sweep.toml", folder / "out"
        self.file.write_text(FILE.replace("SEEDS", ", ".join(map(str, seeds))).replace("STEPS", str(steps)))
        self.sweep: Sweep = load_sweep(self.file)
        self.mark = token_hex(8)
        self.ended: dict[str, bytes] = {}
        """Status files of the runs that were seen to have ended."""

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "grokscope.cli", "sweep", str(self.file), "--out", str(self.out)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), TAG: self.mark}
        return subprocess.Popen(
            [*command, "--workers", "2"], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def alive(self) -> list[psutil.Process]:
        """All processes of the sweep, whoever their parent is by now."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(TAG) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def check(self) -> None:
        """What is on disk is whole, and what has ended is not touched again."""
        for job in self.sweep.jobs:
            path = self.out / job.name
            if not (path / "config.json").exists():
                continue
            assert not [finding for finding in verify_run(path) if finding.is_bad]
            if open_run(path).status == "finished":
                status = (path / "status.json").read_bytes()
                assert self.ended.setdefault(job.name, status) == status

    def round(self, source: random.Random) -> None:
        """Start the sweep, kill something after a while, and see that nothing goes on without the sweep."""
        victims = source.choice(["worker", "sweep", "both"])
        with self.start() as sweep:
            time.sleep(source.uniform(1.5, 6))
            workers = [process for process in self.alive() if process.pid != sweep.pid]
            if victims != "sweep" and workers:
                for worker in workers if victims == "both" else [source.choice(workers)]:
                    worker.kill()
            if victims == "worker":
                # It goes on without that worker; a moment later it is killed too, so that there are more rounds.
                time.sleep(source.uniform(0, 3))
            sweep.kill()
        deadline = time.monotonic() + 20
        while self.alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert self.alive() == []
        self.check()

    def finish(self, direct: Path) -> None:
        """Undisturbed, it ends, with each run as it would have been."""
        with self.start() as sweep:
            told, errors = sweep.communicate(timeout=600)
        assert sweep.returncode == 0, errors
        assert f"{len(self.sweep.jobs)} of {len(self.sweep.jobs)} runs done" in told
        self.check()
        assert self.ended.keys() == {job.name for job in self.sweep.jobs}
        assert {path.name for path in self.out.iterdir()} == {"logs", *self.ended}
        train_directly(self.file, direct)
        for job in self.sweep.jobs:
            run, alone = open_run(self.out / job.name), open_run(direct / job.name)
            assert run.digests == alone.digests
            assert list(run.metrics["step"]) == list(alone.metrics["step"])
            assert {finding.verdict for finding in verify_run(run.path)} == {"ok"}
        assert self.alive() == []


def test_two_rounds_of_kills_lose_no_run_repeat_none_and_leave_no_process(tmp_path):
    killing, source = Killing(tmp_path, range(3), 150), random.Random(0)
    for _ in range(2):
        killing.round(source)
    killing.finish(tmp_path / "direct")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_rounds_of_kills_lose_no_run_repeat_none_and_leave_no_process(tmp_path):
    killing, source = Killing(tmp_path, range(12), 1000), random.Random(1)
    for _ in range(20):
        killing.round(source)
    killing.finish(tmp_path / "direct")
