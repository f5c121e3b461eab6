"""The commands do what they say, from training to report."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grokscope.config import presets

ROOT = Path(__file__).parents[2]


def test_presets_shows_what_the_sources_report(grokscope):
    done = grokscope("presets")
    assert done.code == 0
    header, *lines = (line.split("\t") for line in done.out.splitlines())
    shown = {line[0]: dict(zip(header, line, strict=True)) for line in lines}
    assert list(shown) == list(presets())
    assert shown["mul-lion-clip"]["published step"] == "535"
    assert shown["mul-lion-clip"]["seeds"] == "100"
    assert shown["s5-lion-clip"]["published step"] == "1348"
    assert shown["mixed-lion"]["published step"] == "never"
    assert shown["s5-lion"]["published step"] == "-"
    assert shown["mul-lion-clip"]["norm control"] == "<= 2, start all"


def test_presets_can_be_asked_for_by_a_part_of_their_names(grokscope):
    done = grokscope("presets", "neuralgrok")
    names = [line.partition("\t")[0] for line in done.out.splitlines()[1:]]
    assert names == [name for name in presets() if "neuralgrok" in name]
    assert len(names) > 1
    refused = grokscope("presets", "no-such-part")
    assert refused.code != 0
    assert "no preset has 'no-such-part' in its name" in refused.err


def test_a_table_on_a_narrow_terminal_is_folded_and_not_cut(monkeypatch, capsys):
    from rich.console import Console

    from grokscope.cli import output

    narrow = Console(width=24, force_terminal=True, color_system=None)
    monkeypatch.setattr(output, "console", lambda: narrow)
    path = "checkpoints/a-run-with-a-rather-long-name"
    output.print_table(("path", "seed"), [(path, 12345)], numbers=("seed",))
    cells = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert "".join(cell[0] for cell in cells) == path
    assert cells[0][1] == "12,345"


@pytest.mark.usefixtures("light_report")
def test_train_runs_verify_and_report(grokscope, tiny, tmp_path):
    done = grokscope("train", "mul-lion-clip", *tiny, "--seed", "5", "--max-norm", "1.5")
    assert done.code == 0
    path = "checkpoints/mul-p13-lion-clip-seed5"
    assert done.out.splitlines()[-1] == path

    done = grokscope("runs")
    assert done.out.splitlines()[1].split("\t") == [path, "mul-p13", "lion-clip", "5", "20", "finished", "-"]

    done = grokscope("verify", path)
    assert done.code == 0
    assert "all as they were written" in done.out

    done = grokscope("resume", path)
    assert done.code == 0
    assert done.next == f"grokscope report mine {path}"
    assert "finished" in done.out

    done = grokscope("report", "one", path)
    assert done.code == 0
    assert done.out == "reports/one/index.html\n"
    assert (tmp_path / "reports/one/index.html").read_text().startswith("<!")


def test_verify_names_the_file_that_changed(grokscope, tiny, tmp_path):
    grokscope("train", "mul-lion-clip", *tiny, "--out", "run")
    victim = tmp_path / "run/checkpoints/step_00000010.safetensors"
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    done = grokscope("verify", "run")
    assert done.code == 2
    assert "checkpoints/step_00000010.safetensors\tdigest mismatch" in done.out
    assert "1 bad" in done.out


def test_runs_says_what_is_wrong_with_a_run_that_cannot_be_read(grokscope, tiny, tmp_path):
    grokscope("train", "mul-lion-clip", *tiny, "--out", "runs/good")
    grokscope("train", "mul-lion-clip", *tiny, "--out", "runs/bad")
    (tmp_path / "runs/bad/config.json").write_text("{")
    done = grokscope("runs", "runs")
    assert done.code == 0
    assert "runs/bad\t-\t-\t-\t-\tunreadable\t-" in done.out
    assert "runs/good\tmul-p13" in done.out
    assert "runs/bad/config.json is damaged" in done.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_says_how_to_resume(tmp_path, tiny, number, code):
    long = ["--steps=1000000", "--eval-every=1000", "--checkpoints.every=100", "--out=run"]
    words = [word for word in tiny if not word.startswith("--steps=")] + long
    command = [sys.executable, "-m", "grokscope.cli"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    training = subprocess.Popen(
        [*command, "train", "mul-lion-clip", *words],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs, and what they start, ignore SIGINT: not so here, wherever the tests run.
        preexec_fn=lambda: [signal.signal(which, signal.SIG_DFL) for which in (signal.SIGINT, signal.SIGHUP)],
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "run/checkpoints/step_00000100.safetensors").exists():
        assert time.monotonic() < deadline
        assert training.poll() is None
        time.sleep(0.05)
    training.send_signal(number)
    _, said = training.communicate(timeout=60)
    assert training.returncode == code
    assert said.splitlines()[-1] == "grokscope: error: interrupted; continue with: grokscope resume run"
    assert "Traceback" not in said
    shown = subprocess.run([*command, "runs", "."], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "\tinterrupted\t" in shown.stdout


def test_a_closed_pipe_is_no_error():
    listing = subprocess.Popen(
        [sys.executable, "-m", "grokscope.cli", "presets"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert listing.stdout is not None
    listing.stdout.close()
    assert listing.stderr is not None
    assert listing.stderr.read().startswith(b"next: grokscope train ")
    assert listing.wait() == 0
