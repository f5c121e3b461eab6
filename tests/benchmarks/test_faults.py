"""The load tests, at the smallest size: what they count comes out, and nothing is bad."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.faults import PARTS

ROOT = Path(__file__).parents[2]


def count(out: Path, *parts: str) -> pd.Series:
    command = [sys.executable, "-m", "benchmarks.faults", "--smallest", "--out", str(out), *parts]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return pd.read_csv(out).set_index(["part", "what"])["count"]


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    return count(tmp_path_factory.mktemp("faults") / "faults.csv", "kills", "runs", "checkpoints")


def test_nothing_is_bad(counted):
    assert {part: counted[part, "bad"] for part in ("kills", "runs", "checkpoints")} == {
        "kills": 0, "runs": 0, "checkpoints": 0,
    }  # fmt: skip


def test_every_kill_is_counted_and_every_run_listed(counted):
    assert counted["kills", "kills"] + counted["kills", "ends"] == 5  # and one that is not killed, at the end
    assert counted["runs", "listed"] == 12
    assert counted["checkpoints", "open_files"] == 64


@pytest.mark.slow
@pytest.mark.parametrize("part", ["sweeps", "nodes", "analyses"])
def test_kills_of_commands_are_counted_and_nothing_is_bad(part, tmp_path):
    counts = count(tmp_path / "faults.csv", part)[part]
    assert counts["bad"] == 0
    assert counts["kills"] + counts["ends"] >= 1


def test_the_committed_counts_are_of_every_part_without_anything_bad():
    table = pd.read_csv(ROOT / "reports" / "tables" / "faults.csv")
    assert set(table["part"]) == set(PARTS)
    assert (table.loc[table["what"] == "bad", "count"].astype(float) == 0).all()
    for part, rows in table.groupby("part"):
        assert (rows["times"] >= PARTS[part][1]).all()
