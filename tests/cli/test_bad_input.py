"""Bad input: one line on stderr, exit code 2, nothing lost."""

import errno
import os

import pytest

from grokscope.cli import output


def refused(done, *parts):
    """Whether a command ended with one line of error that holds all parts."""
    assert done.code == 2
    assert done.err.startswith("grokscope: error: ")
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err
    for part in parts:
        assert part in done.err


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("trian", ["no command 'trian'", "nearest: train"]),
        ("train", ["name a preset first"]),
        ("train --lr 3", ["name a preset first"]),
        ("train mul-lion-clp", ["no preset 'mul-lion-clp'", "nearest: mul-lion-clip"]),
        ("train mul-lion-clip --stepz 3", ["no setting 'stepz'", "training.steps"]),
        ("train mul-lion-clip --modulus 96", ["task.modulus = 96 is not prime", "89, 97"]),
        ("train mul-lion-clip --d-model 130", ["model.d_model = 130", "model.n_heads = 4"]),
        ("train mul-lion-clip --train-fraction 1", ["task.train_fraction = 1.0"]),
        ("train mul-lion-clip --max-norm 0", ["norms.max_norm = 0.0"]),
        ("train mul-lion-clip --scope everything", ["norms.scope = 'everything'", "decoder"]),
        ("train mul-lion-clip --out", ["--out takes one directory"]),
        ("train mul-lion-clip --out a b", ["--out takes one directory"]),
        ("branch run --step \u00b2", ["--step = '\u00b2' is not accepted: use an integer >= 0"]),
        ("branch run --step -1", ["--step = -1 is not accepted: use an integer >= 0"]),
        ("branch run --step 1.5", ["--step = '1.5' is not accepted: use an integer >= 0"]),
        ("experiment presets --workers 0", ["workers = 0 is not accepted"]),
        ("resume nothing", ["there is no run at nothing"]),
        ("verify nothing", ["nothing is not a run"]),
        ("report x nothing", ["there is no run at nothing"]),
        ("report x", ["name the runs to report on"]),
        ("runs nothing", ["there is no directory nothing"]),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(grokscope, tmp_path, words, parts):
    refused(grokscope(*words.split()), *parts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../run", "a/../../run", "-run", "runs/-run", "a\nb", "x" * 300, ".."])
def test_hostile_run_names_are_refused(grokscope, tiny, tmp_path, name):
    refused(grokscope("train", "mul-lion-clip", *tiny, "--out", name), "not accepted")
    assert list(tmp_path.iterdir()) == []


def test_a_nul_in_a_run_name_is_refused_from_python(tmp_path):
    import grokscope as gs

    config = gs.preset("mul-lion-clip", steps=2, modulus=13)
    with pytest.raises(gs.RunError, match="NUL"):
        gs.train(config, out=f"{tmp_path}/a\0b", progress=False)


def test_a_path_that_cannot_be_made_is_named(grokscope, tiny, tmp_path):
    (tmp_path / "file").touch()
    refused(grokscope("train", "mul-lion-clip", *tiny, "--out", "file/run"), "file/run")


@pytest.mark.usefixtures("light_report")
def test_a_report_that_cannot_be_written_is_named(grokscope, tiny, tmp_path):
    assert grokscope("train", "mul-lion-clip", *tiny, "--out", "run").code == 0
    (tmp_path / "file").touch()
    refused(grokscope("report", "x", "run", "--out", "file/report"), "file/report")
    refused(grokscope("report", "../x", "run"), "report name '../x' is not accepted")


def test_a_full_disk_is_told_with_the_path(grokscope, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "checkpoints/run/step_1")

    monkeypatch.setattr("grokscope.runs.verify_run", full)
    refused(grokscope("verify", "run"), "No space left on device: checkpoints/run/step_1")


def test_the_traceback_is_shown_on_request(grokscope, monkeypatch):
    monkeypatch.setenv("GROKSCOPE_DEBUG", "1")
    done = grokscope("resume", "nothing")
    assert done.code == 2
    assert "Traceback" in done.err
    assert done.err.splitlines()[-1].startswith("grokscope: error: ")


def test_a_message_cannot_act_on_the_terminal(capsys):
    output.say_error("there is no run at a\x1b[31m\n  b\tc  \udcff")
    assert capsys.readouterr().err == "grokscope: error: there is no run at a\\x1b[31m b c  \\udcff\n"
    output.say_next("grokscope resume 'a\x1b[31m  b'")
    assert capsys.readouterr().err == "next: grokscope resume 'a\\x1b[31m  b'\n"
