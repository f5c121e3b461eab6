"""`make bench` runs to its end, at a size that takes no time."""

from __future__ import annotations

import json

import pytest

from benchmarks import speed
from benchmarks.contestants import CONTESTANTS
from benchmarks.machine import describe


@pytest.mark.parametrize("workload", ["mul", "nanda-p113"])
def test_every_contestant_is_measured_beside_the_others(workload, tmp_path, monkeypatch, capsys):
    out = tmp_path / "last.json"
    words = ["speed", "--smallest", "--rounds", "1", "--threads", "1", "--workloads", workload, "--out", str(out)]
    monkeypatch.setattr("sys.argv", words)
    speed.main()
    (result,) = json.loads(out.read_text())["results"]
    assert set(result["step_ms"]) == {*CONTESTANTS, "d"}
    assert all(ms > 0 for ms in result["step_ms"].values())
    assert {"step e/c", "evaluation e/c"} <= set(result["ratio"])
    assert result["gflop_per_step"]["e"] > 0
    shown = capsys.readouterr().out
    assert all(title in shown for title in CONTESTANTS.values())
    assert "GFLOP/s" in shown


def test_the_machine_is_named_with_what_its_rates_depend_on():
    machine = describe()
    assert {"processor", "family", "capability", "products"} <= set(machine)
    assert machine["products"].split(", ")[0] in ("torch", "openblas")
