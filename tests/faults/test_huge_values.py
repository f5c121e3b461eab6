"""Huge values end at once in one line that says what would be accepted, or what is needed and what there is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

import grokscope as gs
from grokscope import capacity
from grokscope.cli import main

ROOT = Path(gs.__file__).parents[1]
DEEP = 20_000
FREE = 8_000_000_000
"""Bytes that the machine has left, as far as these tests are told."""


class Told(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def grokscope(capsys, tmp_path, monkeypatch) -> Callable[..., Told]:
    """The command in an empty folder, on a machine with 8 GB of memory and of disk."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GROKSCOPE_DEBUG", raising=False)
    monkeypatch.setattr(capacity, "free_memory", lambda: FREE)
    monkeypatch.setattr(capacity, "free_disk", lambda path: FREE)

    def run(*words: str) -> Told:
        capsys.readouterr()
        return Told(main(words), *capsys.readouterr())

    return run


def refused(told: Told, *parts: str) -> None:
    """Whether a command ended with exit code 2 and one line of error, not too long, that holds all parts."""
    assert told.code == 2
    *notes, line = told.err.splitlines(keepends=True)
    assert all(note.startswith("grokscope: note: ") for note in notes)
    assert line.startswith("grokscope: error: ")
    assert len(line) < 5000  # all settings, where none is near
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (f"--modulus {10**18}", [f"task.modulus = {10**18}", "from 2 to 10000"]),
        ("--modulus 104729", ["task.modulus = 104729", "from 2 to 10000"]),
        (f"--d-model {10**8}", ["model.d_model = 100000000", "from 1 to 65536"]),
        ("--max-norm 1e300", ["norms.max_norm = 1e+300", "(0, 1e+15]"]),
        ("--lr 1e300", ["optimizer.lr = 1e+300", "(0, 1e+15]"]),
        ("--device meta", ["training.device = 'meta'", "use cpu, cuda, cuda:N", "or mps"]),
        ("--device cuda:99", ["training.device = 'cuda:99' cannot be used here: ", "cpu always can"]),
        (f"--threads {10**6}", ["training.threads = 1000000", "from 1 to 1024"]),
        (f"--training.steps {10**18}", ["training.steps = 1000000000000000000", "up to 1000000000"]),
        (f"--seed {'9' * 5000}", ["seed = '999", "from 0 to 2147483647"]),
        (f"--{'x' * 100_000} 3", ["there is no setting 'xxx"]),
        (f"--task group --group {'x'.join(['Z9999'] * 5000)}", ["task.group = 'Z9999x"]),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_a_setting_beyond_its_bound_is_refused_with_the_bound(grokscope, tmp_path, words, parts):
    refused(grokscope("train", "mul-lion-clip", *words.split()), *parts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("--task add --modulus 9999", ["GB of memory, and 8 GB are available"]),
        ("--d-model 65536 --d-mlp 65536 --n-layers 1000", ["PB of memory, and 8 GB are available"]),
        ("--gradient.name grokfast_ma --window 1000000000", ["PB of memory, and 8 GB are available"]),
        (f"--training.steps {10**9}", ["TB of disk, and 8 GB are free at "]),
        ("--training.steps 10000000 --trace true --checkpoints.schedule ends", ["GB of disk, and 8 GB are free at "]),
    ],
)
def test_a_run_that_the_machine_cannot_hold_is_refused_with_the_estimate(
    grokscope, tmp_path, monkeypatch, words, parts
):
    monkeypatch.setattr("grokscope.tasks.BUILDERS", {})  # no example is made
    about = "grokscope: error: training run needs about "
    refused(grokscope("train", "mul-lion-clip", *words.split(), "--out", "run"), about, *parts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", ["train deep.toml", "sweep deep.toml --dry-run", "import w.pt --config deep.toml"])
@pytest.mark.parametrize(
    "text",
    [
        "task.elements = " + "[" * DEEP + "]" * DEEP,
        "task = " + "{a = " * 300 + "1" + "}" * 300,
        ".".join(["a"] * DEEP) + " = 1",
        "[plugins]\nmodules = " + "[" * 200 + "]" * 200,
    ],
    ids=["array", "tables", "key", "plugins"],
)
def test_a_file_of_settings_that_nests_too_deep_is_refused(grokscope, tmp_path, words, text):
    (tmp_path / "deep.toml").write_text(text)
    refused(grokscope(*words.split()), "deep.toml has lists or tables inside one another, more than 10 levels deep")


def test_lists_that_nest_too_deep_are_refused_from_python_too():
    deep: list = []
    for _ in range(DEEP):
        deep = [deep]
    for name in ("elements", "operations", "betas", "optimizer.name", "group_rate"):
        with pytest.raises(gs.ConfigError, match="at most 10 levels deep"):
            gs.preset("mul-lion-clip", **{name: deep})
    with pytest.raises(gs.ConfigError, match=r"optimizer\.name = \(list\) is not accepted"):
        gs.OptimizerConfig(name=deep)


@pytest.mark.parametrize("kind", ["elements", "table", "labels", "train-indices"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("deep.json", b"[" * DEEP + b"1" + b"]" * DEEP),
        ("quite.json", b"[" * 400 + b"1" + b"]" * 400),
        ("deep.gap", b"t := " + b"[" * 200_000 + b"1" + b"]" * 200_000 + b";"),
        ("lines.txt", b"1\n" * (2**20 + 2)),
        ("digits.json", b"[[" + b"9" * 5000 + b", 1], [1, 0]]"),
        ("shape.npy", b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '<i8', 'fortran_order': False, 'shape': "
         b"(1000000000, 1000000000)}".ljust(118)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_table_of_a_task_that_is_too_deep_or_too_long_is_refused(grokscope, tmp_path, kind, name, content):
    (tmp_path / name).write_bytes(content)
    task = {"elements": "group", "table": "group", "labels": "table", "train-indices": "mul"}[kind]
    refused(grokscope("train", "mul-lion-clip", "--task", task, f"--{kind}", name), f"task.{kind.replace('-', '_')}")


GRID = """
preset = "mul-lion-clip"
seeds = [0, 1, 2, 3]
[grid]
"""


@pytest.fixture
def huge_sweep(tmp_path: Path) -> Path:
    """A file that describes 4 * 10^8 runs."""
    names = ("optimizer.lr", "norms.max_norm", "training.steps", "training.batch_size")
    lists = [f'"{name}" = {json.dumps(list(range(1, 101)))}\n' for name in names]
    path = tmp_path / "huge.toml"
    path.write_text(GRID + "".join(lists))
    return path


def test_a_grid_is_counted_before_it_is_built(grokscope, huge_sweep, monkeypatch):
    monkeypatch.setattr("grokscope.sweeps.file.Job", None)
    for dry_run in ((), ("--dry-run",)):
        told = grokscope("sweep", "huge.toml", *dry_run)
        refused(told, "huge.toml: it describes 400,000,000 runs, more than 100,000", "--many")
    with pytest.raises(gs.ConfigError, match=r"400,000,000 runs.*load_sweep\(file, many=True\)"):
        gs.load_sweep(huge_sweep)


def test_a_grid_that_is_meant_is_refused_where_memory_does_not_hold_it(grokscope, huge_sweep, monkeypatch):
    monkeypatch.setattr("grokscope.sweeps.file.Job", None)
    told = grokscope("sweep", "huge.toml", "--dry-run", "--many")
    refused(told, "a sweep of 400,000,000 runs needs about 800 GB of memory, and 8 GB are available")


@pytest.mark.parametrize(
    ("text", "words", "parts"),
    [
        ("d_model = 4096", "", ["training a run needs about ", " GB of memory, and 8 GB are available"]),
        (
            "checkpoints.every = 1\ntraining.steps = 10000",
            "",
            ["training 1 run needs about ", "GB of disk", "[disk] dense_seeds"],
        ),
        ("", f"--workers {10**18}", [f"workers = {10**18}", "up to 1000000000"]),
        ("", "--hang-seconds 1e300", ["hang_seconds = 1e+300", "(0, 1e+15]"]),
    ],
)
def test_a_sweep_that_the_machine_cannot_hold_is_refused_before_it_starts(
    grokscope, tmp_path, monkeypatch, text, words, parts
):
    monkeypatch.setattr("grokscope.sweeps.local.WorkerProcess", None)
    (tmp_path / "one.toml").write_text(f'preset = "mul-lion-clip"\nseeds = [0]\n[settings]\n{text}\n')
    refused(grokscope("sweep", "one.toml", *words.split()), *parts)
    assert [path.name for path in tmp_path.iterdir()] == ["one.toml"]


@pytest.mark.parametrize("steps", [f"0:{10**18}:1", "0:999999999:1", "9" * 5000])
def test_steps_of_an_import_are_counted_before_they_are_listed(grokscope, steps):
    refused(grokscope("import", "w.pt", "--step", steps, "--task", "add", "--activation", "relu"), "--step")


ERRORS = {
    "python": (MemoryError(), "memory ran out, in: grokscope train mul-lion-clip --seed 3 --out run"),
    "numpy": (MemoryError("Unable to allocate 7.11 PiB"), "memory ran out: Unable to allocate 7.11 PiB, in: grokscope"),
    "torch": (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "memory ran out: DefaultCPU"),
    "cuda": (
        torch.OutOfMemoryError("CUDA out of memory.\nTried to"),
        "memory ran out: CUDA out of memory., in",
    ),
    "runtime": (RuntimeError("mat1 and mat2 shapes\ncannot be multiplied"), "RuntimeError: mat1 and mat2 shapes, in: "),
    "depth": (RecursionError("maximum recursion depth exceeded"), "something nests too deep, in: grokscope train"),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_of_memory_torch_or_depth_is_one_line_that_names_the_command(grokscope, monkeypatch, kind):
    error, line = ERRORS[kind]

    def fails(*_, **__):
        raise error

    monkeypatch.setattr("grokscope.training.train", fails)
    words = ("train", "mul-lion-clip", "--seed", "3", "--out", "run")
    refused(grokscope(*words), f"grokscope: error: {line}", "; GROKSCOPE_DEBUG=1 shows where\n")
    monkeypatch.setenv("GROKSCOPE_DEBUG", "1")
    told = grokscope(*words)
    assert told.code == 2
    assert "Traceback (most recent call last)" in told.err
    assert "in fails" in told.err


def test_any_other_error_is_a_bug_and_keeps_its_traceback(grokscope, monkeypatch):
    monkeypatch.setattr("grokscope.training.train", lambda *_, **__: {}["key"])
    with pytest.raises(KeyError, match="key"):
        grokscope("train", "mul-lion-clip")


def test_the_command_in_a_process_of_its_own_ends_in_one_line(tmp_path):
    command = [sys.executable, "-m", "grokscope.cli", "train", "mul-lion-clip", "--modulus", str(10**18)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120)
    assert done.returncode == 2
    assert done.stderr == (
        f"grokscope: error: task.modulus = {10**18} is not accepted: use an integer from 2 to 10000\n"
    )
    assert list(tmp_path.iterdir()) == []
