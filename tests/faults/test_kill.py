"""kill -9 at random moments of training and of resuming: what survives is whole, and the end is the same."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import grokscope
from grokscope.config import RunConfig, override, preset, to_dict
from grokscope.runs import Run, open_run, verify_run

ROOT = Path(grokscope.__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

# One process imports torch, once, and forks a child for each job: a killed process costs milliseconds, not seconds.
LAUNCHER = """
import json, os, sys, traceback
import lion_pytorch, pandas, pyarrow.parquet
from grokscope.config import from_dict
from grokscope.training import loop

print("ready", flush=True)
for line in sys.stdin:
    job = json.loads(line)
    pid = os.fork()
    if pid == 0:
        loop.STATE_EVERY_SECONDS = job["state_every_seconds"]
        try:
            if job["config"] is None:
                loop.resume(job["path"], progress=False)
            else:
                loop.train(from_dict(job["config"]), job["path"], progress=False)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Launcher:
    """Starts training processes, and kills them after a while if asked to."""

    def __init__(self, process: subprocess.Popen[str], state_every_seconds: float) -> None:
        self._process = process
        self.state_every_seconds = state_every_seconds

    def run(self, path: Path, config: RunConfig | None = None, kill_after: float | None = None) -> int:
        """Train (with a config) or resume (without); the exit code, -9 if it was killed in time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job: dict[str, Any] = {"path": str(path), "config": None if config is None else to_dict(config)}
        self._process.stdin.write(json.dumps({**job, "state_every_seconds": self.state_every_seconds}) + "\n")
        self._process.stdin.flush()
        pid = int(self._process.stdout.readline())
        if kill_after is not None:
            time.sleep(kill_after)
            with suppress(ProcessLookupError):  # it was done already
                os.kill(pid, signal.SIGKILL)
        return int(self._process.stdout.readline())


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": ENVIRONMENT}
    with subprocess.Popen([sys.executable, "-c", LAUNCHER], **pipes) as process:
        assert process.stdout.readline() == "ready\n"
        yield Launcher(process, 0.02)
        process.stdin.close()


def _assert_survivors_are_whole(path: Path) -> None:
    """Whatever a kill left, nothing that the run lists is damaged, and every listed checkpoint can be read."""
    if not (path / "config.json").exists():
        return  # killed before it was a run
    bad = [finding for finding in verify_run(path) if finding.is_bad]
    assert bad == []
    run = open_run(path)
    assert all(set(run.weights(step)) for step in run.steps)


def _assert_same(run: Run, whole: Run) -> None:
    assert run.status == whole.status == "finished"
    assert run.digests == whole.digests
    columns = [name for name in whole.metrics if name != "seconds"]
    assert run.metrics[columns].equals(whole.metrics[columns])
    assert [finding for finding in verify_run(run.path) if finding.verdict != "ok"] == []
    assert not list(run.path.rglob("*.tmp"))


def _rounds(
    launcher: Launcher, tmp_path: Path, config: RunConfig, rounds: int, kills_per_round: Callable[[random.Random], int]
) -> None:
    begin = time.perf_counter()
    assert launcher.run(tmp_path / "whole", config) == 0
    duration = time.perf_counter() - begin
    whole = open_run(tmp_path / "whole")
    source = random.Random(0)
    killed = 0
    for number in range(rounds):
        path = tmp_path / f"round{number}"
        for _ in range(kills_per_round(source)):
            started = (path / "config.json").exists()
            code = launcher.run(path, None if started else config, kill_after=source.uniform(0, duration))
            assert code in (0, -signal.SIGKILL)
            killed += code == -signal.SIGKILL
            _assert_survivors_are_whole(path)
        if not (path / "config.json").exists():
            assert launcher.run(path, config) == 0
        else:  # one that had finished may lack the seal of its end
            assert open_run(path).status in ("interrupted", "finished")
            assert launcher.run(path) == 0
        _assert_same(open_run(path), whole)
    assert killed >= rounds // 2


@pytest.mark.parametrize("forward", ["engine", "compiled"])
def test_a_killed_run_resumes_to_the_same_bytes(launcher, tmp_path, forward):
    """Small networks, six rounds; each is killed while it trains, and while it resumes."""
    config = override(
        RunConfig(),
        {"modulus": 7, "n_layers": 1, "d_model": 16, "n_heads": 2, "d_mlp": 32, "batch_size": 8, "max_norm": 1.0,
         "init_rows": "all", "training.steps": 80, "checkpoints.every": 5, "eval_every": 7, "forward": forward},
    )  # fmt: skip
    _rounds(launcher, tmp_path, config, 6, lambda source: 2)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_kills_of_a_published_run_resume_to_the_same_bytes(launcher, tmp_path):
    launcher.state_every_seconds = 0.5
    config = preset("mul-lion-clip", **{"training.steps": 400})
    _rounds(launcher, tmp_path, config, 20, lambda source: source.choice([1, 1, 2]))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_command_resumes_to_the_same_bytes(tmp_path):
    """The real thing: `grokscope train`, kill -9, `grokscope verify`, `grokscope resume`."""

    def grokscope_command(*words: str) -> list[str]:
        return [sys.executable, "-m", "grokscope.cli", *words]

    def train_to(name: str) -> list[str]:
        return grokscope_command("train", "mul-lion-clip", "--steps", "400", "--out", str(tmp_path / name))

    subprocess.run(train_to("whole"), env=ENVIRONMENT, check=True, capture_output=True, cwd=tmp_path)
    source = random.Random(1)
    for number in range(3):
        path = tmp_path / f"cut{number}"
        with subprocess.Popen(
            train_to(path.name), env=ENVIRONMENT, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            deadline = time.monotonic() + 120
            while not (path / "config.json").exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(source.uniform(0, 3))
            process.kill()
        for action in ("verify", "resume", "verify"):
            subprocess.run(grokscope_command(action, str(path)), env=ENVIRONMENT, check=True, capture_output=True)
        _assert_same(open_run(path), open_run(tmp_path / "whole"))
