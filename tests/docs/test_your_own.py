"""The examples of docs/your-own.md are run as they stand, at a smaller size."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

import grokscope as gs
from grokscope.cli import main
from grokscope.model import initial_weights
from grokscope.tasks import build_task

PAGE = Path(__file__).resolve().parents[2] / "docs" / "your-own.md"
SECTIONS = dict(part.split("\n", 1) for part in PAGE.read_text().split("\n## ")[1:])
EXAMPLES = {title: re.search(r"```(sh|python)\n(.*?)```", text, re.DOTALL) for title, text in SECTIONS.items()}
BLOCKS = [(title, example[1], example[2]) for title, example in EXAMPLES.items() if example is not None]
SIZE = {"n_layers": 1, "d_model": 8, "n_heads": 2, "d_mlp": 16, "steps": 4, "batch_size": 64, "record_every": None}
WORDS = [word for name, value in SIZE.items() for word in (f"--{name.replace('_', '-')}", str(value).lower())]
LONGEST = 10
"""Lines of an example, as the issue that asked for the page has it."""


def of(language: str) -> list[Any]:
    return [pytest.param(text, id=title) for title, kind, text in BLOCKS if kind == language]


def test_every_section_has_a_short_example():
    assert [title for title, example in EXAMPLES.items() if example is None] == ["On the command line and in sweeps"]
    for title, _, text in BLOCKS:
        assert len([line for line in text.splitlines() if line.strip()]) < LONGEST, title


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty folder with the files that the examples speak of."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "larger.csv").write_text("\n".join(",".join(str(max(a, b)) for b in range(5)) for a in range(5)))
    config = gs.override(gs.RunConfig(), {**SIZE, "task": "add", "activation": "relu", "residual": "pre_ln"})
    torch.save(initial_weights(config.model, build_task(config.task), seed=0), tmp_path / "model.pt")
    return tmp_path


@pytest.mark.parametrize("text", of("python"))
def test_an_example_in_python(here, monkeypatch, text):
    train = gs.train
    monkeypatch.setattr(gs, "train", lambda config, **given: train(config, progress=False, **{**SIZE, **given}))
    names: dict[str, Any] = {}
    exec(compile(text, str(PAGE), "exec"), names)
    run = names["run"]
    assert run.status == "finished"
    assert gs.open_run(run.path).digests == run.digests  # whole without the code that made it


@pytest.mark.parametrize("text", of("sh"))
def test_an_example_on_the_command_line(here, capsys, text):
    for line in text.splitlines():
        program, command, *words = shlex.split(line)
        assert program == "grokscope"
        smaller = {
            "train": WORDS,
            "analyze": ["--only", "milestones"],
            "import": [],
            "branch": ["--batch-size", "64", "--record-every", "none"],
        }
        words = ["4" if word == "2000" else word for word in words]
        assert main([command, *words, *smaller[command]]) == 0, capsys.readouterr().err
    assert any(here.glob("**/config.json"))
