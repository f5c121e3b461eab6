"""`grokscope` alone says where to begin, and each command ends with the next one, which works as it is written."""

from __future__ import annotations

import shlex
from functools import partial

import pytest

from grokscope import preset, train
from grokscope.cli import app
from grokscope.cli.following import FIRST, NEXT, begin, fields, found, next_command
from grokscope.sweeps import estimate


def told(done) -> list[str]:
    """The words of the next command, without `grokscope`."""
    assert done.next is not None, done.err
    program, *words = shlex.split(done.next)
    assert program == "grokscope"
    return words


def test_every_command_has_a_next_one_and_each_is_a_command():
    assert set(NEXT) == set(app.COMMANDS)
    lines = [template for templates in NEXT.values() for template in templates] + [line for line, _ in FIRST]
    for line in lines:
        program, command, *_ = line.format_map({"fit_for": "demo"} | dict.fromkeys(fields(line) - {"fit_for"})).split()
        assert program == "grokscope"
        assert command == "--help" or command in app.COMMANDS


def test_what_is_named_last_in_a_row_needs_nothing_that_an_earlier_one_did_not_find():
    begin()
    assert next_command("runs") == "grokscope train mul-lion-clip"
    found(run=["checkpoints/a run"], runs=[])
    assert next_command("runs") == "grokscope report mine 'checkpoints/a run'"
    assert next_command("demo") is None  # an empty list has not been found
    begin()
    assert next_command("train") is None
    assert fields("grokscope branch {run} --step {step}") == {"run", "step"}


def test_grokscope_alone_says_where_to_begin(grokscope):
    done = grokscope()
    assert done.code == 0
    assert all(command in done.out and about in done.out for command, about in FIRST)
    assert done.err == ""


def test_what_grokscope_alone_names_is_run_as_it_stands(grokscope, monkeypatch):
    """The two that train and the doctor are looked at as far as their settings: other tests run them."""
    ran = []
    for name in ("doctor", "demo", "train"):
        monkeypatch.setitem(app.COMMANDS, name, _recorder(name, ran))
    for line, _ in FIRST:
        assert grokscope(*line.split()[1:]).code == 0
    assert ran == ["doctor", "demo", ["mul-lion-clip"]]


def _recorder(name: str, ran: list[object]):
    def of_words(words: list[str]) -> int:
        ran.append(words)
        return 0

    def alone() -> int:
        ran.append(name)
        return 0

    return of_words if name == "train" else alone


@pytest.mark.usefixtures("light_report")
def test_from_a_run_to_its_pages_by_what_each_command_names(grokscope, tiny):
    done = grokscope("train", "mul-lion-clip", *tiny)
    path = "checkpoints/mul-p13-lion-clip-seed0"
    assert told(done) == ["report", "mine", path]
    # The line stands on stderr: the last one of stdout is the run's path, for scripts.
    assert done.out.splitlines()[-1] == path
    done = grokscope(*told(done))
    assert done.code == 0
    assert told(done) == ["scrub", path]
    done = grokscope(*told(done))
    assert done.code == 0
    done = grokscope(*told(done))
    assert done.out.startswith("experiment\t")
    assert told(done) == ["experiment", "why-clipping", "--scale", "small"]


@pytest.mark.usefixtures("light_report")
def test_branches_listings_checks_and_analyses_name_commands_that_work(grokscope, tiny, tmp_path):
    grokscope("train", "mul-lion-clip", *tiny)
    path = "checkpoints/mul-p13-lion-clip-seed0"
    assert told(grokscope("branch", path, "--step", "10", "--max-norm", "none", "--out", "free")) == [
        "report", "mine", path, "free",
    ]  # fmt: skip
    assert told(grokscope("runs")) == ["report", "mine", path]
    assert told(grokscope("analyze", "--list")) == ["train", "mul-lion-clip"]
    assert told(grokscope("verify", path)) == ["analyze", path]
    done = grokscope("analyze", path, "--only", "norm_trajectories")
    assert told(done) == ["report", "mine", path]
    checkpoint = next((tmp_path / path / "checkpoints").iterdir())
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    done = grokscope("verify", path)
    assert (done.code, told(done)) == (2, ["repair", path])
    done = grokscope(*told(done))
    assert (done.code, told(done)) == (0, ["verify", path])
    done = grokscope("presets", "s5")
    assert told(done) == ["train", done.out.splitlines()[1].partition("\t")[0]]


class _InterruptedHalfWay:
    def on_step(self, step: int, *_: object) -> None:
        if step == 10:
            raise KeyboardInterrupt


def test_a_sound_run_that_was_interrupted_is_resumed_by_what_verify_names(grokscope, tiny, tmp_path):
    settings = dict(word.removeprefix("--").replace("-", "_").split("=") for word in tiny)
    config = preset("mul-lion-clip", **{name: int(value) for name, value in settings.items()})
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "stopped", callbacks=[_InterruptedHalfWay()], progress=False)
    done = grokscope("verify", "stopped")
    assert (done.code, told(done)) == (0, ["resume", "stopped"])
    done = grokscope(*told(done))
    assert (done.code, told(done)) == (0, ["report", "mine", "stopped"])
    assert told(grokscope("verify", "stopped")) == ["analyze", "stopped"]


@pytest.mark.usefixtures("light_workers")
def test_a_sweep_is_listed_before_and_after_it_is_trained(grokscope, tiny, tmp_path, monkeypatch):
    # Measuring takes seconds, and has tests of its own.
    unmeasured = partial(estimate.estimate, most_kinds=0)
    monkeypatch.setattr(estimate, "estimate", unmeasured)
    settings = dict(word.removeprefix("--").replace("-", "_").split("=") for word in tiny)
    lines = [f"{name} = {value}" for name, value in settings.items()]
    file = tmp_path / "a sweep.toml"
    file.write_text("\n".join(['preset = "mul-lion-clip"', "seeds = [0]", "[settings]", *lines]))
    done = grokscope("sweep", str(file), "--dry-run", "--out", "swept")
    assert told(done) == ["sweep", str(file), "--out", "swept"]
    done = grokscope(*told(done))
    assert (done.code, told(done)) == (0, ["runs", "swept"])
    assert told(grokscope(*told(done)))[:2] == ["report", "mine"]


def test_an_error_names_no_next_command(grokscope):
    done = grokscope("verify", "nowhere")
    assert done.code == 2
    assert done.next is None
