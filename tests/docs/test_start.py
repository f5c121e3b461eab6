"""The examples of docs/index.md are run as they stand, at a smaller size."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import grokscope as gs
from grokscope.cli import main

PAGE = Path(__file__).resolve().parents[2] / "docs" / "index.md"
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
INSTALL = [line for _, text in BLOCKS for line in text.splitlines() if line.startswith(("make ", "source "))]
COMMANDS = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines() if line.startswith("grokscope")]
PYTHON = [text for kind, text in BLOCKS if kind == "python"]
SIZE = {"modulus": 5, "n_layers": 1, "d_model": 8, "n_heads": 2, "d_mlp": 16, "batch_size": 4, "record_every": None}
SMALLER = {"steps": 4, "every": 2}
WORDS = [word for name, value in SIZE.items() for word in (f"--{name.replace('_', '-')}", str(value).lower())]


@pytest.fixture
def without_figures(monkeypatch):
    """Reports with all but their sections, which take most of a minute."""
    monkeypatch.setattr("grokscope.report.build.draw_sections", lambda runs, declared: [])


def run_commands(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in COMMANDS:
        program, command, *words = shlex.split(re.sub(r"--(steps|every) \d+", "", line))
        assert program == "grokscope"
        smaller = [*WORDS, "--steps", "4", "--every", "2", "--out", "checkpoints/mul-lion-clip-seed0"]
        assert main([command, *words, *(smaller if command == "train" else [])]) == 0, capsys.readouterr().err
    assert (folder / "reports" / "first" / "index.html").exists()


def run_python(monkeypatch: pytest.MonkeyPatch) -> None:
    train, preset = gs.train, gs.preset
    monkeypatch.setattr(gs, "train", lambda config, **given: train(config, progress=False, **given))
    monkeypatch.setattr(gs, "preset", lambda name, **given: preset(name, **{**given, **SIZE, **SMALLER}))
    for text in PYTHON:
        names: dict[str, Any] = {}
        exec(compile(text, str(PAGE), "exec"), names)
        assert names["run"].steps == [0, 2, 4]
        assert sorted(names["keys"]["step"].unique()) == [0, 2, 4]
        assert names["page"].exists()


def test_the_commands_train_a_run_analyse_it_and_write_a_report(tmp_path, monkeypatch, capsys, without_figures):
    monkeypatch.chdir(tmp_path)
    assert [line.split()[1] for line in COMMANDS] == ["train", "analyze", "report"]
    run_commands(tmp_path, capsys)


def test_the_same_from_python(tmp_path, monkeypatch, without_figures):
    monkeypatch.chdir(tmp_path)
    assert len(PYTHON) == 1
    run_python(monkeypatch)


@pytest.mark.slow
def test_the_commands_with_every_figure(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_commands(tmp_path, capsys)
    assert len(list((tmp_path / "reports" / "first" / "figures").glob("*.png"))) > 10


def test_what_is_typed_first_is_there():
    targets = re.findall(r"^([a-z0-9-]+):", (PAGE.parents[1] / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = [line.split("#")[0].split() for line in INSTALL]
    assert named == [["make", "install"], ["source", ".venv/bin/activate"]]
    assert "install" in targets
    assert re.findall(r"`make ([a-z]+)`", PAGE.read_text(encoding="utf-8")) == ["demo"]
    assert "demo" in targets
