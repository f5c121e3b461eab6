"""Every file of a run, mutated: the answer is right, or an error that names the file; no traceback, no wrong table.

Mutations are drawn by hypothesis: bytes flipped, cut out, put in, doubled or exchanged with those of another file. In
the fast tests some dozens of each file; in the slow ones 2,000.
"""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import grokscope as gs
from grokscope.runs import RunError, list_runs, open_run, verify_run
from grokscope.training import train

CONFIG = gs.override(
    gs.RunConfig(),
    {
        "task.modulus": 5, "model.n_layers": 1, "model.d_model": 4, "model.n_heads": 1, "model.d_mlp": 4,
        "training.steps": 10, "training.batch_size": None, "training.eval_every": 5, "checkpoints.schedule": "every",
        "checkpoints.every": 5, "probes.record_every": 5, "probes.margins_every": 5, "probes.trace": True,
    },
)  # fmt: skip
TEXTS = ("config.json", "status.json", "manifest.jsonl", "metrics.jsonl", "probes.jsonl", "seals.jsonl", "state.json")
BINARIES = ("checkpoints/step_00000005.safetensors", "metrics.parquet")
FAST, SLOW = 20, 2000


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(CONFIG, tmp_path_factory.mktemp("fuzzed") / "run", progress=False).path


@pytest.fixture(scope="module")
def old(run, tmp_path_factory):
    """The same as a run that is older than seals: nothing but the content of a file says that it is damaged."""

    path = shutil.copytree(run, tmp_path_factory.mktemp("old") / "run")
    (path / "seals.jsonl").unlink()
    record = json.loads((path / "config.json").read_text())
    del record["sealed"]
    (path / "config.json").write_text(json.dumps(record, indent=2))
    return path


@st.composite
def mutated(draw: Any, content: bytes, other: bytes) -> bytes:
    """The content after one to three mutations."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, max(0, len(data) - 1)))
        size = draw(st.sampled_from([1, 1, 2, 8, 64, 1000]))
        kind = draw(st.sampled_from(["flip", "cut", "put", "double", "exchange", "end", "number"]))
        if kind == "flip" and data:
            data[start] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del data[start : start + size]
        elif kind == "put":
            data[start:start] = draw(st.binary(min_size=1, max_size=16))
        elif kind == "double":
            data[start:start] = data[start : start + size]
        elif kind == "exchange":
            data[start : start + size] = other[start : start + size]
        elif kind == "end":
            del data[start:]
        else:
            texts = [b"null", b"-1", b"1e999", b"[]", b"{}", b'"x"', b"NaN", b"9" * 400, b"true"]
            data[start : start + draw(st.integers(0, 12))] = draw(st.sampled_from(texts))
    return bytes(data)


def read_everything(path: Path) -> dict[str, Any]:
    """All that a run says of itself."""
    run = open_run(path)
    return {
        "config": run.config,
        "status": run.status,
        "steps": run.steps,
        "milestones": run.milestones,
        "metrics": run.metrics,
        "probes": run.probes,
        "margins": run.recorded_margins,
        "trace": run.trace.after.tolist(),
        "weights": {step: run.weights(step) for step in run.steps},
        "trajectory": run.trajectory("embed.W_E"),
        "repr": repr(run),
    }


@cache
def as_written(path: Path) -> dict[str, Any]:
    """What an untouched run says of itself."""
    return read_everything(path)


def same(left: Any, right: Any) -> bool:
    if isinstance(left, pd.DataFrame):
        return left.equals(right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    return bool((left == right).all()) if hasattr(left, "all") else left == right


def check(path: Path, file: str, data: st.DataObject, *, sealed: bool) -> None:
    content = (path / file).read_bytes()
    others = [other for other in (*TEXTS, *BINARIES) if other != file and (path / other).exists()]
    other = (path / data.draw(st.sampled_from(others))).read_bytes()
    expected = as_written(path)
    changed = data.draw(mutated(content, other))
    try:
        (path / file).write_bytes(changed)
        try:
            told = read_everything(path)
        except RunError as error:
            refusals = [str(error)]
        else:
            refusals = []
            # An older run believes its text files as far as they are well-formed: there is nothing to compare with.
            assert not sealed or same(told, expected)
        (row,) = list_runs(path.parent)
        assert row["status"] == "unreadable" or row["task"]
        try:
            findings = verify_run(path)
        except RunError as error:
            refusals.append(str(error))
        else:
            assert not sealed or changed == content or any(f.verdict != "ok" for f in findings)
        assert all(str(path) in refusal and "\n" not in refusal for refusal in refusals), refusals
    finally:
        (path / file).write_bytes(content)


def fuzz(count: int):
    return settings(
        max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
    )


@pytest.mark.parametrize("file", [*TEXTS, *BINARIES])
@fuzz(FAST)
@given(data=st.data())
def test_a_mutated_file_is_refused_by_name_or_changes_nothing(run, file, data):
    check(run, file, data, sealed=True)


@pytest.mark.parametrize("file", [file for file in (*TEXTS, *BINARIES) if file != "seals.jsonl"])
@fuzz(FAST)
@given(data=st.data())
def test_in_a_run_older_than_seals_it_is_refused_by_name_or_read(old, file, data):
    check(old, file, data, sealed=False)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("file", [*TEXTS, *BINARIES])
@fuzz(SLOW)
@given(data=st.data())
def test_two_thousand_mutations_of_each_file(run, file, data):
    check(run, file, data, sealed=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("file", [file for file in (*TEXTS, *BINARIES) if file != "seals.jsonl"])
@fuzz(SLOW)
@given(data=st.data())
def test_two_thousand_mutations_of_each_file_of_an_older_run(old, file, data):
    check(old, file, data, sealed=False)
