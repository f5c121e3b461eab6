"""Who only analyses does not wait for a compiler: the compiled engine is not even imported."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parents[1] / "runs" / "data" / "finished"

ANALYSE = """
import sys
from grokscope.analysis import run_all
from grokscope.runs import open_run
tables = run_all(open_run(sys.argv[1]), ("restricted_loss", "spectra"), 1)
assert all(map(len, tables.values()))
print(sorted(name for name in sys.modules if name.startswith("grokscope.engine.compiled")))
"""


def test_analyses_of_a_finished_run_import_nothing_that_compiles_for_training(tmp_path):
    run = shutil.copytree(RUN, tmp_path / "run")
    done = subprocess.run([sys.executable, "-c", ANALYSE, str(run)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
