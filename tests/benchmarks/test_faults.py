"""The load tests, at the smallest size: what they count comes out, and nothing is bad."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    out = tmp_path_factory.mktemp("faults") / "faults.csv"
    command = [sys.executable, "-m", "benchmarks.faults", "--out", str(out)]
    for part, times in (("kills", 4), ("runs", 12), ("checkpoints", 150)):
        subprocess.run([*command, part, "--times", str(times)], check=True, capture_output=True, cwd=ROOT)
    return pd.read_csv(out).set_index(["part", "what"])["count"]


def test_nothing_is_bad(counted):
    assert {part: counted[part, "bad"] for part in ("kills", "runs", "checkpoints")} == {
        "kills": 0, "runs": 0, "checkpoints": 0,
    }  # fmt: skip


def test_every_kill_is_counted_and_every_run_listed(counted):
    assert counted["kills", "kills"] + counted["kills", "ends"] == 5  # and one that is not killed, at the end
    assert counted["runs", "listed"] == 12
    assert counted["checkpoints", "open_files"] == 64


def test_the_committed_counts_are_of_runs_without_anything_bad():
    table = pd.read_csv(ROOT / "reports" / "tables" / "faults.csv")
    assert (table.loc[table["what"] == "bad", "count"] == 0).all()
    assert {"kills", "runs", "checkpoints"} <= set(table["part"])
