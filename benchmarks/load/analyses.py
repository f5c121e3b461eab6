"""`analyze` and `report` are killed at random moments; whatever table or page is there then is whole."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
from rich.progress import track

from benchmarks.load.processes import Counts, in_child, killed_after, quiet, seconds_of
from benchmarks.load.training import train_or_resume


def analyses(folder: Path, times: int, chance: random.Random) -> Counts:
    """Kill both commands; what is kept is compared with the tables of an undisturbed process.

    A fifth of the rounds begin without anything kept, the others with what the last one left.
    """
    import grokscope.report
    from grokscope.cli import main as grokscope

    counts: Counter[str] = Counter(kills=0, ends=0, tables=0, pages=0, bad=0)
    run, out = folder / "run", folder / "report"
    in_child(lambda: train_or_resume(run))
    whole = shutil.copytree(run, folder / "whole" / "run")

    def work(path: Path, page: Path) -> None:
        quiet(lambda: grokscope(["analyze", str(path), "--workers", "1"]))
        quiet(lambda: grokscope(["report", "report", str(path), "--out", str(page)]))

    seconds = seconds_of(lambda: in_child(lambda: work(whole, folder / "whole-report")))
    tables = _tables(whole)
    for _ in track(range(times), description="analyses"):
        ended = killed_after(chance.uniform(0, 1.2 * seconds), lambda: work(run, out))
        counts["ends" if ended else "kills"] += 1
        there = _tables(run)
        counts["tables"] += len(there)
        counts["bad"] += any(not table.equals(tables[name]) for name, table in there.items())
        if (out / "index.html").exists():
            counts["pages"] += 1
            counts["bad"] += not (out / "index.html").read_text().rstrip().endswith("</html>")
        for place in (out, run / "analysis") if ended or chance.random() < 0.2 else ():
            shutil.rmtree(place, ignore_errors=True)
    return dict(counts)


def _tables(run: Path) -> dict[str, pd.DataFrame]:
    """Every kept table by analysis."""
    return {file.parent.name: pd.read_parquet(file) for file in run.glob("analysis/*/*.parquet")}
