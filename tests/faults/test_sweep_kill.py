"""kill -9 of workers, of the sweep, and of both, at random: no run is lost or trained over, no process is left."""

from __future__ import annotations

import random

import pytest

from benchmarks.load.sweeps import Killing, train_directly


def kill_and_finish(folder, seeds: range, steps: int, rounds: int, chance: random.Random) -> None:
    killing = Killing(folder, seeds, steps)
    for _ in range(rounds):
        assert killing.round(chance) == []
    train_directly(killing.file, folder / "direct")
    assert killing.finish(folder / "direct") == []
    assert killing.is_over


def test_two_rounds_of_kills_lose_no_run_repeat_none_and_leave_no_process(tmp_path):
    kill_and_finish(tmp_path, range(3), 150, 2, random.Random(0))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_rounds_of_kills_lose_no_run_repeat_none_and_leave_no_process(tmp_path):
    kill_and_finish(tmp_path, range(12), 1000, 20, random.Random(1))
