"""Every benchmark can be imported and says what it takes; the smallest size of each runs."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    path.stem
    for path in (ROOT / "benchmarks").glob("*.py")
    if "command_line(__doc__" in path.read_text(encoding="utf-8")
)


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


def run(monkeypatch, name: str, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", [name, *words])
    import_module(f"benchmarks.{name}").main()


def test_every_command_of_the_readme_is_there():
    told = (ROOT / "benchmarks" / "README.md").read_text()
    assert {"accelerators", "analysis", "observing", "scaling", "speed", "sweeping"} <= set(MODULES)
    for name in MODULES:
        assert f"python -m benchmarks.{name}" in told


@pytest.mark.parametrize("name", MODULES)
def test_help_is_told_and_names_the_smallest_size(monkeypatch, capsys, name):
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, name, "--help")
    assert ended.value.code == 0
    assert "--smallest" in capsys.readouterr().out


def test_accelerators_measures_every_method_with_and_without_the_clip(monkeypatch, tmp_path):
    from grokscope.experiments.accelerators import ARMS, step_cost

    file = tmp_path / "accelerators.json"
    run(monkeypatch, "accelerators", "--rounds", "1", "--smallest", "--out", str(file))
    measured = json.loads(file.read_text())
    assert set(measured["step_ms"]) == {name for arm in ARMS for name in (arm, f"{arm} clip")}
    assert measured["ratio"]["adam-l2"] == 1
    monkeypatch.setattr("grokscope.experiments.accelerators.STEP_COST", file)
    assert step_cost()["lion-clip"] == measured["step_ms"]["lion clip"] > 0


def test_observing_scaling_and_analysis_run_at_the_smallest_size(monkeypatch, tmp_path, capsys):
    file = tmp_path / "observing.json"
    run(monkeypatch, "observing", "--rounds", "1", "--steps", "20", "--smallest", "--out", str(file))
    assert json.loads(file.read_text())["overhead_of_medians"]["neither"] == 0
    run(monkeypatch, "scaling", "--rounds", "1", "--smallest", "--out", str(tmp_path))
    assert len((tmp_path / "scaling.csv").read_text().splitlines()) == 1 + 4 * 2
    capsys.readouterr()
    run(monkeypatch, "analysis", "--rounds", "1", "--steps", "20", "--only", "dynamics", "--smallest")
    assert json.loads(capsys.readouterr().out)["seconds"]["dynamics"] > 0


@pytest.mark.slow
def test_analysis_compares_with_a_checkout_and_measures_memory(monkeypatch, capsys):
    words = ["--rounds", "1", "--steps", "4", "--smallest"]
    run(monkeypatch, "analysis", "--against", str(ROOT), *words)
    compared = json.loads(capsys.readouterr().out)
    assert compared["tables_that_differ"] == {}  # the checkout is this one
    assert compared["ratio"] > 0
    run(monkeypatch, "analysis", "--memory", "--smallest")
    measured = json.loads(capsys.readouterr().out)
    assert measured["degree"] == 4
    assert measured["peak_gigabytes"] > 0
    assert {"keys", "logit_characters", "ablation", "collapse"} <= set(measured["tables"])


def test_sizes_counts_a_package_once_and_what_an_extra_adds(monkeypatch, capsys):
    from benchmarks.sizes import flat, needed, size

    run(monkeypatch, "sizes", "--smallest")
    measured = json.loads(capsys.readouterr().out)
    assert measured["base"]["packages"] == 1
    assert measured["base"]["megabytes"] >= measured["base"]["without_bytecode"] > 10
    assert "pandas" not in measured["largest"]
    assert measured["added"]["more"]["packages"] >= 3  # pandas, dateutil, six, without numpy
    missing: set[str] = set()
    found = needed(["six", "six>=1", "no-such-package-of-ours"], missing)
    assert (list(found), missing) == (["six"], {"no-such-package-of-ours"})
    assert 30_000 < size(found.values()).bytes < 300_000
    assert flat({"a": ["x"], "b": ["grokscope[a]", "y"]})["b"] == ["x", "y"]


def test_memory_measures_what_it_compares_with_estimates(monkeypatch):
    from benchmarks import memory

    for name in memory.KINDS:
        assert memory.config_of(name, smallest=False).training.steps <= memory.STEPS
    found = memory.child("mul", smallest=True)
    assert found["estimated"].keys() == found["measured"].keys() == {"memory", "disk"}
    assert 0 < found["measured"]["disk"] <= found["estimated"]["disk"]


def test_a_difference_of_tables_is_told_as_a_share_of_the_largest_number():
    from benchmarks.analysis import difference

    column = pd.Series([1.0, -4.0, float("nan")])
    assert difference(column, column.copy()) == 0
    assert difference(column, pd.Series([1.0, -4.5, float("nan")])) == 0.125
    assert difference(column, pd.Series([1.0, float("nan"), -4.0])) == float("inf")
    assert difference(pd.Series(["a"]), pd.Series(["b"])) == float("inf")


@pytest.mark.usefixtures("light_workers")
def test_sweeping_trains_every_run_with_one_worker_and_with_two(monkeypatch, tmp_path):
    file = tmp_path / "sweeping.json"
    run(monkeypatch, "sweeping", *["--rounds", "1", "--steps", "20", "--runs", "2", "--smallest", "--out"], str(file))
    assert json.loads(file.read_text())["ratio"] > 0


def test_replicas_counts_the_steps_of_all_networks(monkeypatch, tmp_path, capsys):
    file = tmp_path / "replicas.json"
    run(
        monkeypatch,
        "replicas",
        *["--rounds", "1", "--steps", "2", "--replicas", "1", "3"],
        "--smallest",
        "--out",
        str(file),
    )
    measured = json.loads(file.read_text())["cpu"]
    assert set(measured["steps_a_second"]) == {"train", "1 side by side", "3 side by side"}
    assert measured["times_train"]["train"] == 1
    assert all(value > 0 for value in measured["steps_a_second"].values())


def test_subnormals_times_both_ways_at_every_size_of_the_weights(monkeypatch, tmp_path, capsys):
    file = tmp_path / "subnormals.json"
    words = ["--rounds", "1", "--steps", "1", "--times", "1", "30", "--smallest", "--out", str(file)]
    run(monkeypatch, "subnormals", *words)
    measured = json.loads(file.read_text())
    assert set(measured["milliseconds_a_step"]) == {"1", "30"}
    assert all(set(ways) == {"kept", "zero"} for ways in measured["milliseconds_a_step"].values())
    assert all(ratio > 0 for ratio in measured["kept_over_zero"].values())


def test_step_down_levels_counts_every_kind(monkeypatch, tmp_path, capsys):
    run(monkeypatch, "step_down_levels", "--smallest", "--out", str(tmp_path))
    table = pd.read_csv(tmp_path / "step-down-levels.csv").set_index("kind")
    assert set(table.index) == {"planted", "unread", "untrained", "memorised", "noise"}
    assert (table["count"] == 2).all()
    weak = table.loc["planted"].set_index("weak_power").loc[0.1]
    assert weak["by_rounds"] == weak["as_key"] == 2  # the planted irrep of power 0.1, above noise of power 0.1 / 23
    assert (table.loc[["untrained", "memorised"], "as_key"] == 0).all()  # none is planted there
    again = ["--smallest", "--kinds", "noise", "--out", str(tmp_path)]
    before = (tmp_path / "step-down-levels.csv").read_text()
    run(monkeypatch, "step_down_levels", *again)
    assert (tmp_path / "step-down-levels.csv").read_text() == before
