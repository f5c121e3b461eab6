"""Whole commands are measured, each with the grokscope of its own checkout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import before, runs
from benchmarks.unavailable import Unavailable

COMMAND = """
import pathlib, sys
pathlib.Path({log!r}).open("a").write({name!r} + " " + " ".join(sys.argv[1:]) + chr(10))
sys.exit({code})
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose `grokscope` command only writes down what it was told."""

    def made(name: str, code: str = "0") -> Path:
        package = tmp_path / name / "grokscope"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "cli.py").write_text(COMMAND.format(log=str(tmp_path / "log"), name=name, code=code))
        return tmp_path / name

    return made


def test_checkouts_take_turns_in_changing_order_after_a_call_that_is_not_counted(checkout, tmp_path):
    measured = runs.measure({"now": checkout("new"), "before": checkout("old")}, [600, 1], 2, {"d_model": 16})
    calls = (tmp_path / "log").read_text().splitlines()
    words = "train mul-lion-clip --steps {} --seed 0 --out run --d-model 16"
    order = [("new", 1), ("old", 1), ("new", 600), ("old", 600), ("new", 1), ("old", 1)]
    order += [("old", 600), ("new", 600), ("old", 1), ("new", 1)]
    assert calls == [f"{name} {words.format(steps)}" for name, steps in order]
    assert list(measured) == [f"grokscope train mul-lion-clip --steps {steps} --seed 0" for steps in (600, 1)]
    for found in measured.values():
        assert all(len(found["rounds"][name][of]) == 2 for name in ("now", "before") for of in ("cpu_s", "wall_s"))
        for of, ratio in found["ratio"].items():
            assert ratio == found["median"]["now"][of] / found["median"]["before"][of] > 0


def test_a_command_that_fails_ends_the_measurement_with_what_it_said(checkout):
    with pytest.raises(RuntimeError, match=r"train mul-lion-clip .* ended with exit code 1: no disk"):
        runs.measure({"now": checkout("new", "'no disk'")}, [1], 1, {})


def test_another_grokscope_than_that_of_the_checkout_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match=f"grokscope was imported from .*, not from {tmp_path}"):
        runs.check(tmp_path)


def test_without_the_commit_before_this_checkout_is_measured_alone(monkeypatch, tmp_path, capsys):
    def unavailable() -> Path:
        raise Unavailable("there is no history")

    monkeypatch.setattr(before, "checkout", unavailable)
    out = tmp_path / "runs.json"
    monkeypatch.setattr("sys.argv", ["runs", "--smallest", "--rounds", "1", "--steps", "1", "--out", str(out)])
    runs.main()
    result = json.loads(out.read_text())
    (found,) = result["commands"].values()
    assert found["median"]["now"]["cpu_s"] > 0
    assert found["ratio"] == {}
    assert result["left_out"] == {"before": "there is no history"}
    assert "before is left out: there is no history" in capsys.readouterr().out
