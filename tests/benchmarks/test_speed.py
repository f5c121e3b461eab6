"""`make bench` runs to its end, at a size that takes no time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from benchmarks import speed
from benchmarks.contestants import CONTESTANTS
from benchmarks.machine import describe

ROOT = Path(__file__).parents[2]


def test_contestants_are_measured_beside_each_other_and_a_missing_one_is_named(tmp_path, monkeypatch, capsys):
    # A worker fails that does not import grokscope from the checkout that it was given.
    (tmp_path / "grokscope").symlink_to(ROOT / "grokscope")
    monkeypatch.setitem(CONTESTANTS, "o", replace(CONTESTANTS["o"], source=lambda: tmp_path))
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "jax.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "without"))
    out = tmp_path / "last.json"
    words = ["--smallest", "--rounds", "1", "--threads", "1", "--workloads", "nanda-p113", "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["speed", *words, "--contestants", "j", "o", "e"])
    speed.main()
    (result,) = json.loads(out.read_text())["results"]
    assert set(result["step_ms"]) == set(result["evaluation_ms"]) == {"o", "e"}
    assert min(*result["step_ms"].values(), *result["evaluation_ms"].values()) > 0
    assert result["ratio"]["step e/o"] == result["step_ms"]["e"] / result["step_ms"]["o"]
    assert result["ratio"]["evaluation e/o"] == result["evaluation_ms"]["e"] / result["evaluation_ms"]["o"]
    assert list(result["left_out"]) == ["j"]
    rates = [*result["gflops_rate"].values(), *result["gflops_rate_of_shapes"]["x W, 50 x 32 x 64"].values()]
    assert result["gflops_best_rate"] >= max(rates)
    share = result["gflop_per_step"]["e"] / result["gflops_best_rate"] / (result["step_ms"]["e"] / 1e3)
    assert abs(result["share_of_floor"]["e"]["best"] / share - 1) < 1e-6
    shown = " ".join(capsys.readouterr().out.split())
    assert "(j) JAX jit is left out: JAX is not installed: pip install" in shown
    assert all(CONTESTANTS[letter].title in shown for letter in "oe")
    assert all(word in shown for word in ("of the engine before: step", "GFLOP/s of a large product", "family"))


def test_two_processes_at_once_are_left_out_at_two_threads():
    workers, left_out = speed.start(["d"], "nanda-add-p113", {}, 2)
    assert (workers, left_out) == ({}, {"d": "several processes at once are compared with one thread each"})


def test_the_machine_is_named_with_what_its_rates_depend_on():
    machine = describe()
    assert {"processor", "family", "capability", "products"} <= set(machine)
    assert machine["products"].split(", ")[0] in ("torch", "openblas")
