"""`train` where a run is there already: refused, or opened if it is the one that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import grokscope.training.loop as loop
from grokscope.config import ConfigError, RunConfig, differences, differences_in_words, override
from grokscope.runs import RunError, open_run
from grokscope.training import branch, train
from tests.training.test_resume import _interrupt_after, _same_runs


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def momentum(named):
    return torch.optim.SGD([tensor for _, tensor in named], lr=0.1, momentum=0.9)


def plain(named):
    return torch.optim.SGD([tensor for _, tensor in named], lr=0.1)


def test_a_finished_run_of_the_same_settings_is_opened_and_nothing_is_trained_or_written(config, trained, monkeypatch):
    run = trained()
    before = contents(run.path)
    monkeypatch.setattr(loop, "Trainer", None)
    again = train(config(), run.path, progress=False, existing="open")
    assert (again.status, again.digests) == ("finished", run.digests)
    assert contents(run.path) == before


def test_an_interrupted_run_of_the_same_settings_is_resumed_to_the_same_bytes(config, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "STATE_EVERY_SECONDS", -1.0)
    with monkeypatch.context() as patch:
        _interrupt_after(10, KeyboardInterrupt, patch)
        with pytest.raises(KeyboardInterrupt):
            train(config(), tmp_path / "run", progress=False, existing="open")
    assert open_run(tmp_path / "run").status == "interrupted"
    _same_runs(train(config(), tmp_path / "run", progress=False, existing="open"), trained("whole"))


def test_a_run_of_other_settings_is_refused_with_every_difference_and_left_alone(config, trained):
    run = trained()
    before = contents(run.path)
    with pytest.raises(RunError, match="other settings") as refused:
        train(config(), run.path, progress=False, existing="open", seed=3, lr=0.5)
    assert "seed = 0 there, 3 here; optimizer.lr = 0.001 there, 0.5 here" in str(refused.value)
    assert contents(run.path) == before


def test_a_branch_is_not_taken_for_a_run_of_its_settings(trained, tmp_path):
    run = trained()
    other = branch(run, 8, tmp_path / "branch", progress=False, lr=1e-4)
    with pytest.raises(RunError, match="branch is a branch, and not a run that was trained from its start"):
        train(other.config, other.path, progress=False, existing="open")


def test_an_optimizer_that_is_given_must_be_the_one_of_the_run(config, tmp_path):
    run = train(config(), tmp_path / "run", progress=False, optimizer=momentum)
    again = train(config(), run.path, progress=False, optimizer=momentum, existing="open")
    assert again.digests == run.digests
    with pytest.raises(RunError, match=r"optimizer\.factory = 'tests\..*momentum' there, 'tests\..*plain' here"):
        train(config(), run.path, progress=False, optimizer=plain, existing="open")


def test_a_word_that_is_not_known_is_refused_before_anything_is_written(config, tmp_path):
    with pytest.raises(ConfigError, match="existing = 'overwrite' is not accepted: use refuse or open"):
        train(config(), tmp_path / "run", progress=False, existing="overwrite")  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_differences_in_words_are_those_of_the_configs_and_a_long_value_is_cut():
    first = RunConfig()
    rows = tuple(tuple((a + b) % 50 for b in range(50)) for a in range(50))
    second = override(first, {"task.name": "group", "task.table": rows, "seed": 7})
    words = differences_in_words(first, second, "before", "after")
    assert [part.partition(" = ")[0] for part in words.split("; ")] == list(differences(first, second))
    assert "seed = 0 before, 7 after" in words
    assert "task.table = None before, ((0, 1, 2, 3," in words
    assert len(words) < 1000
    assert differences_in_words(first, first) == ""


class Shrinking:
    """A norm control that remembers how often it was called, and shrinks more each time."""

    def __init__(self) -> None:
        self.calls = 0

    def state_dict(self) -> dict[str, int]:
        return {"calls": self.calls}

    def load_state_dict(self, state) -> None:
        self.calls = int(state["calls"])

    def __call__(self, weights, step: int) -> None:
        self.calls += 1
        for value in weights.values():
            value.mul_(1 - 1e-3 * self.calls)


def test_a_new_run_that_may_be_opened_is_the_run_that_may_not(config, tmp_path):
    """Whether there is one is seen without calling the norm control, which would remember it."""
    runs, controls = [], []
    for existing in ("refuse", "open"):
        controls.append(Shrinking())
        callables = {"optimizer": plain, "norm_control": controls[-1]}
        runs.append(train(config(), tmp_path / existing, progress=False, existing=existing, **callables))
    _same_runs(*runs)
    assert controls[0].calls == controls[1].calls == runs[0].config.training.steps + 1
    again = Shrinking()
    train(config(), tmp_path / "open", progress=False, existing="open", optimizer=plain, norm_control=again)
    assert again.calls == 0
