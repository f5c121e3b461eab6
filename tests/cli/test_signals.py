"""A signal ends every command that works for long with 128 and its number, and leaves what can be gone on with."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import grokscope.cli.sweeping as sweeping
from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.experiments.table import TINY
from grokscope.figures.plates import DeclaredPlate
from grokscope.runs import RunWriter, open_run
from grokscope.stopping import SIGNALS
from grokscope.training import Trainer, branch

ROOT = Path(__file__).parents[2]


def sends(number: int, function: Callable[..., Any], at: int = 1) -> Callable[..., Any]:
    """A function that sends this process a signal as it is called for the `at`-th time, and then does what it does."""
    calls: list[None] = []

    def called(*args: Any, **kwargs: Any) -> Any:
        calls.append(None)
        if len(calls) == at:
            os.kill(os.getpid(), number)
        return function(*args, **kwargs)

    return called


@pytest.fixture
def run(grokscope, tiny) -> Path:
    """A trained run of three checkpoints, in `run`."""
    assert grokscope("train", "mul-lion-clip", *tiny, "--checkpoints.every", "10", "--out", "run").code == 0
    return Path("run").absolute()


@pytest.mark.parametrize("number", SIGNALS)
def test_training_that_evaluates_ends_after_the_evaluation_with_the_state_of_its_step(
    grokscope, tiny, monkeypatch, number
):
    monkeypatch.setattr(Trainer, "evaluate", sends(number, Trainer.evaluate, at=3))
    done = grokscope("train", "mul-lion-clip", *tiny, "--eval-every", "7", "--out", "a  run")
    assert done.code == 128 + number
    assert done.err.splitlines()[-1] == "grokscope: error: interrupted; continue with: grokscope resume 'a  run'"
    run = open_run("a  run")
    assert (run.status, run.reason) == ("interrupted", f"stopped by {signal.Signals(number).name}")
    assert list(run.metrics["step"]) == [0, 7, 14]
    assert '"step": 14' in (run.path / "state.json").read_text()


@pytest.mark.parametrize("number", SIGNALS)
def test_an_analysis_ends_after_its_checkpoint(grokscope, run, monkeypatch, number):
    monkeypatch.setattr(Checkpoint, "__init__", sends(number, Checkpoint.__init__, at=2))
    done = grokscope("analyze", "run", "--only", "ranks")
    assert done.code == 128 + number
    assert done.err.splitlines()[-1] == "grokscope: error: interrupted"
    assert not list(run.rglob("*.parquet.*"))
    assert not list((run / "analysis").rglob("*.parquet"))


@pytest.mark.parametrize("number", SIGNALS)
def test_a_report_ends_with_its_tables_kept_and_no_half_of_a_page(grokscope, run, monkeypatch, number):
    drawn: list[str] = []

    def draw(self: DeclaredPlate, *_: Any) -> list[Any]:
        drawn.append(self.name)
        return []

    monkeypatch.setattr(DeclaredPlate, "draw", sends(number, draw))
    done = grokscope("report", "one", "run")
    assert done.code == 128 + number
    assert done.err.splitlines()[-1] == "grokscope: error: interrupted"
    assert drawn == []
    assert not Path("reports").exists()
    assert list((run / "analysis").rglob("*.parquet"))


def test_a_branch_that_is_being_made_has_a_state_before_it_ends(grokscope, run, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "checkpoint", sends(signal.SIGTERM, RunWriter.checkpoint))
        done = grokscope("branch", "run", "--step", "10", "--out", "cut", "--lr", "1e-4", "--arm", "other")
    assert done.code == 143
    assert open_run("cut").status == "interrupted"
    assert grokscope("resume", "cut").code == 0
    whole = branch("run", 10, "whole", progress=False, lr=1e-4, arm="other")
    assert open_run("cut").digests == whole.digests


def test_an_experiment_ends_with_the_state_of_its_runs_saved(grokscope, monkeypatch):
    monkeypatch.setitem(TINY, "training.steps", 10**6)  # type: ignore[arg-type]
    show, sent = sweeping.Display.show, []

    def show_and_send(self: sweeping.Display, board: Any) -> None:
        show(self, board)
        if not sent and any(place.step for place in board.places):
            sent.append(True)
            os.kill(os.getpid(), signal.SIGHUP)

    monkeypatch.setattr(sweeping.Display, "show", show_and_send)
    words = ["--scale", "small", "--only", "mul-lion-clip", "--seeds", "0", "--runs", "runs", "--out", "out"]
    done = grokscope("experiment", "presets", *words)
    assert done.code == 129
    assert done.err == "grokscope: error: interrupted; go on with the same command\n"
    run = open_run("runs/mul-lion-clip-seed0")
    assert (run.status, run.reason) == ("interrupted", "stopped by SIGTERM")  # the worker's
    assert (run.path / "state.json").exists()
    assert not Path("out").exists()


def test_training_in_a_terminal_that_is_closed_ends_after_its_step_with_its_state_saved(tmp_path, tiny):
    """As when a window is closed or a connection is lost: SIGHUP comes, and whatever is written fails."""
    long = ["--steps=1000000", "--eval-every=1000", "--checkpoints.every=1000", "--out=run"]
    words = [word for word in tiny if not word.startswith("--steps=")] + long
    ours, theirs = os.openpty()

    def take_the_terminal() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # it is ignored where the tests run under nohup
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    training = subprocess.Popen(
        [sys.executable, "-m", "grokscope.cli", "train", "mul-lion-clip", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=take_the_terminal,
    )
    os.close(theirs)
    deadline = time.monotonic() + 120
    while not (tmp_path / "run/checkpoints/step_00001000.safetensors").exists():
        assert time.monotonic() < deadline
        assert training.poll() is None
        time.sleep(0.05)
    os.close(ours)
    assert training.wait(timeout=60) == 129
    run = open_run(tmp_path / "run")
    assert (run.status, run.reason) == ("interrupted", "stopped by SIGHUP")
