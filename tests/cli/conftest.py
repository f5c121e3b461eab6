"""Run the command in this process, in an empty folder."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from grokscope.cli import main


class Result(NamedTuple):
    code: int | str | None
    out: str
    err: str
    """Without the last line, where that names the next command."""
    next: str | None


@pytest.fixture
def grokscope(capsys, tmp_path, monkeypatch) -> Callable[..., Result]:
    """`grokscope("train", "mul-lion-clip")`: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Result:
        capsys.readouterr()
        try:
            code = main(words)
        except SystemExit as stop:  # tyro's
            code = stop.code
        out, err = capsys.readouterr()
        before, mark, following = err.rpartition("next: ")
        if mark and before[-1:] in ("", "\n") and following.count("\n") == 1:
            return Result(code, out, before, following.rstrip("\n"))
        return Result(code, out, err, None)

    return run


@pytest.fixture
def tiny() -> list[str]:
    """Settings of a run that takes no time."""
    small = {"steps": 20, "modulus": 13, "d-model": 16, "d-mlp": 16, "n-heads": 2, "batch-size": 32}
    return [f"--{name}={value}" for name, value in small.items()]
