"""In a locale without umlauts, with Python's own remedies switched off, a run may still be called by one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import grokscope

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


def test_runs_with_umlauts_are_trained_listed_verified_analysed_and_reported_in_the_locale_c(tmp_path):
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment |= {"PYTHONWARNDEFAULTENCODING": "1", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    name = "L\N{LATIN SMALL LETTER A WITH DIAERESIS}ufe/gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name.encode()], env=environment, cwd=tmp_path, capture_output=True
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 0, err
    assert "Error" not in err
    assert out.splitlines()[:2] == ["ascii", "utf-8"]  # the command started itself once more
    assert f"{name}\tparity" in out
    assert f"{name}: " in out
    folder = tmp_path / name
    assert (folder / "config.json").is_file()
    assert [file.name for file in (folder.parent / f"{folder.name}-tables").iterdir()] == [f"{folder.name}-ranks.csv"]
    assert folder.name in (tmp_path / "reports/one/index.html").read_text("utf-8")
