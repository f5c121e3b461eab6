"""A signal ends work at a boundary of it, once; a second one at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest

from grokscope.analysis import run_all
from grokscope.config import RunConfig, override, preset
from grokscope.runs import open_run
from grokscope.stopping import SIGNALS, Stopped, asked, at_boundaries, check, raising
from grokscope.training import resume, train


@pytest.fixture
def config() -> RunConfig:
    """40 steps of a tiny network; neither evaluation nor checkpoint is due between the first and the last."""
    size = {"modulus": 7, "d_model": 8, "n_heads": 2, "d_mlp": 8, "n_layers": 1, "batch_size": None, "steps": 40}
    return override(preset("mul-lion-clip"), {**size, "eval_every": 40, "checkpoints.every": 40, "record_every": None})


class Sends:
    """Progress that sends this process signals when a step is done."""

    def __init__(self, at: int, *numbers: int) -> None:
        self.at, self.numbers = at, numbers

    def step(self, step: int) -> None:
        if step == self.at:
            for number in self.numbers:
                os.kill(os.getpid(), number)

    def evaluation(self, metrics: dict[str, float]) -> None:
        pass


@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_saves_its_state_after_the_step_and_resumes_to_the_same_bytes(tmp_path, config, number):
    with pytest.raises(Stopped) as stopped:
        train(config, tmp_path / "run", progress=Sends(17, number))

    assert stopped.value.code == 128 + number
    run = open_run(tmp_path / "run")
    assert (run.status, run.reason) == ("interrupted", f"stopped by {signal.Signals(number).name}")
    assert '"step": 17' in (tmp_path / "run/state.json").read_text()
    resumed, whole = resume(tmp_path / "run", progress=False), train(config, tmp_path / "whole", progress=False)
    assert resumed.digests == whole.digests


def test_a_second_signal_does_not_wait(tmp_path, config):
    with pytest.raises(Stopped):
        train(config, tmp_path / "run", progress=Sends(17, signal.SIGINT, signal.SIGINT))

    assert open_run(tmp_path / "run").status == "interrupted"
    assert '"step": 17' not in (tmp_path / "run/state.json").read_text()


def test_a_run_that_ends_as_the_signal_comes_is_finished(tmp_path, config):
    with pytest.raises(Stopped):
        train(config, tmp_path / "run", progress=Sends(40, signal.SIGTERM))

    assert open_run(tmp_path / "run").status == "finished"


def test_analyses_stop_between_two_checkpoints_and_keep_no_table(tmp_path, config):
    run = train(override(config, {"checkpoints.every": 10}), tmp_path / "run", progress=False)
    seen = []

    def progress(done: int) -> None:
        seen.append(done)
        if done == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Stopped):
        run_all(run, ["ranks"], progress=progress)

    assert seen == [1, 2]
    assert not list(run.analysis_path.glob("*ranks*"))


def waits(number: int, *, within: Callable[[], None] = lambda: None) -> None:
    """A block that gets a signal, and then does something."""
    with at_boundaries():
        os.kill(os.getpid(), number)
        within()


def test_handlers_are_put_back_and_no_signal_is_left_behind():
    before = [signal.getsignal(number) for number in SIGNALS]
    seen: list[bool] = []
    with pytest.raises(Stopped):
        waits(signal.SIGTERM, within=lambda: seen.append(asked()))
    assert seen == [True]
    assert [signal.getsignal(number) for number in SIGNALS] == before
    assert not asked()
    check()


def test_an_inner_block_waits_where_the_outer_one_would_raise():
    seen: list[bool] = []
    with raising(), pytest.raises(Stopped):
        waits(signal.SIGTERM, within=lambda: seen.append(asked()))
    assert seen == [True]


class Destructed:
    """It gets a signal when it is collected, where Python swallows what a handler raises."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("ask", [check, lambda: None], ids=["at a check", "at the end"])
def test_a_signal_whose_exception_is_swallowed_is_not_lost(ask):
    went_on: list[str] = []

    def work() -> None:
        with raising():
            Destructed()
            went_on.append("after the signal")
            ask()
            went_on.append("to the end")

    with pytest.raises(Stopped) as stopped:
        work()
    assert stopped.value.code == 143
    assert went_on == ["after the signal", "to the end"][: 1 if ask is check else 2]


def test_a_signal_that_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        waits(signal.SIGHUP)  # raises nothing
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_see_the_signal_of_the_main_thread():
    seen: list[bool] = []

    def ask_in_a_thread() -> None:
        thread = threading.Thread(target=lambda: seen.append(asked()))
        thread.start()
        thread.join()

    with pytest.raises(Stopped):
        waits(signal.SIGTERM, within=ask_in_a_thread)
    assert seen == [True]
