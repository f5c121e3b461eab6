"""In a locale without umlauts, with Python's own remedies switched off, a run may still be called by one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import grokscope
from grokscope.runs import open_run

ROOT = Path(grokscope.__file__).parents[1]
TINY = (
    "--task.name=parity --bits=4 --parity-bits=2 --n-layers=1 --d-model=8 --d-mlp=8 --n-heads=2 "
    "--batch-size=none --steps=4 --eval-every=2 --checkpoints.every=2 --record-every=none"
)
SCRIPT = f"""
import sys, warnings
from grokscope.cli import main

print(sys.getfilesystemencoding(), flush=True)
# A file that is opened as text without saying in which encoding would be read as ASCII here.
warnings.filterwarnings("error", category=EncodingWarning, module="grokscope")
run = sys.argv[1]
for words in (
    ["train", "mul-lion-clip", *{TINY.split()!r}, "--out", run],
    ["runs", "."],
    ["verify", run],
    ["analyze", run, "--only", "ranks", "--out", run + "-tables"],
    ["report", "one", run],
):
    if words[0] == "report":  # one plate of it is enough to write a page
        from grokscope.report import draw
        draw.plates = lambda known=draw.plates: {{"learning_curves": known()["learning_curves"]}}
    sys.argv[1:] = words
    if main() != 0:
        sys.exit(words[0])
"""


def run_commands(name: bytes, folder: Path, **environment: str) -> str:
    """Train, list, verify, analyse and report a run of that name; what was shown."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run([sys.executable, "-c", SCRIPT, name], env=environment, cwd=folder, capture_output=True)
    err = done.stderr.decode(errors="replace")
    assert done.returncode == 0, err
    assert "Error" not in err
    return done.stdout.decode(errors="replace")


def test_runs_with_umlauts_are_trained_listed_verified_analysed_and_reported_in_the_locale_c(tmp_path):
    name = "L\N{LATIN SMALL LETTER A WITH DIAERESIS}ufe/gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n"
    remedies_off = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONWARNDEFAULTENCODING": "1"}
    out = run_commands(name.encode(), tmp_path, LC_ALL="C", **remedies_off)
    assert out.splitlines()[:2] == ["ascii", "utf-8"]  # the command started itself once more
    assert f"{name}\tparity" in out
    assert f"{name}: " in out
    folder = tmp_path / name
    assert (folder / "config.json").is_file()
    assert [file.name for file in (folder.parent / f"{folder.name}-tables").iterdir()] == [f"{folder.name}-ranks.csv"]
    assert folder.name in (tmp_path / "reports/one/index.html").read_text("utf-8")


def test_a_run_whose_name_is_no_text_is_read_and_shown_with_a_question_mark_for_each_such_byte(tmp_path):
    """A directory may have any bytes in its name; tables and pages hold text only."""
    run_commands(b"gr\xfcn", tmp_path)
    name = open_run(tmp_path / os.fsdecode(b"gr\xfcn")).name
    assert name == "gr\N{REPLACEMENT CHARACTER}n"
    assert name in (tmp_path / "reports" / "one" / "index.html").read_text(encoding="utf-8")
