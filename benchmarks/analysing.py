"""A process that makes tables of a run from nothing and tells what that took.

    python -P analysing.py RUN OUT [NAME ...]

The tables are those of the analyses named, or of all of them. It uses the grokscope that PYTHONPATH names first, which
may be another checkout, and so nothing else of benchmarks. Tables are written to OUT as Parquet. On standard output it
says, as JSON, the CPU time of the process while it analysed, and the largest resident memory of its life.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import time
from pathlib import Path

import torch

from grokscope.analysis import run_all
from grokscope.runs import open_run

KIBIBYTE = 1024


def main(path: str, out: str, *names: str) -> None:
    """Analyse a run, in one thread."""
    torch.set_num_threads(1)
    run = open_run(path)
    shutil.rmtree(run.analysis_path, ignore_errors=True)
    begin = time.process_time()
    tables = run_all(run, names or None)
    seconds = time.process_time() - begin
    for name, table in tables.items():
        table.to_parquet(Path(out, f"{name}.parquet"))
    # In kibibytes, but for macOS, where it is in bytes.
    unit = 1 if sys.platform == "darwin" else KIBIBYTE
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    sys.stdout.write(json.dumps({"cpu_seconds": seconds, "peak_bytes": peak, "tables": sorted(tables)}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
