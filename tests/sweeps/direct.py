"""The runs of a sweep, trained one after the other by `grokscope.train`: what a sweep must come to."""

import os
import subprocess
import sys
from pathlib import Path

import grokscope

ROOT = Path(grokscope.__file__).parents[1]

# In a process of its own: in a test's, the shape of every array is checked at every step.
SCRIPT = """
import sys
import grokscope
for job in grokscope.load_sweep(sys.argv[1]).jobs:
    grokscope.train(job.config, sys.argv[2] + "/" + job.name, progress=False)
"""


def train_directly(file: Path, folder: Path) -> None:
    """Train every run of the sweep in `file` into a directory below `folder`."""
    command = [sys.executable, "-c", SCRIPT, str(file), str(folder)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
