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

ANALYSES = ("ranks", "margins", "norm_trajectories", "neurons")
PLATES = ("learning_curves", "effective_ranks")


def analyses(folder: Path, times: int, chance: random.Random) -> Counts:
    """Kill a command; what is kept is compared with the tables of an undisturbed process.

    Every tenth command is `report`, the others are `analyze`. A fifth of the rounds is followed by one without anything
    kept, the others by one that finds what they left. Some analyses and figures stand for all, which are written by
    the same lines: with all of them 200 rounds would take days.
    """
    import grokscope.report.draw as draw  # before the first fork, with all that draws
    from grokscope.cli import main as grokscope

    known = draw.plates()
    draw.plates = lambda: {name: known[name] for name in PLATES}  # type: ignore[assignment]
    counts: Counter[str] = Counter(kills=0, ends=0, reports=0, tables=0, pages=0, bad=0)
    run, out, whole = folder / "run", folder / "report", folder / "whole" / "run"
    in_child(lambda: train_or_resume(run))

    def analyze(path: Path) -> None:
        quiet(lambda: grokscope(["analyze", str(path), "--workers", "1", "--only", *ANALYSES]))

    def report(path: Path, page: Path) -> None:
        quiet(lambda: grokscope(["report", "report", str(path), "--out", str(page)]))

    shutil.copytree(run, whole)
    in_child(lambda: analyze(whole))  # loops are compiled once
    in_child(lambda: report(whole, folder / "whole-report"))
    tables = _tables(whole)
    shutil.rmtree(whole / "analysis")
    seconds = {
        "analyze": seconds_of(lambda: in_child(lambda: analyze(whole))),
        "report": seconds_of(lambda: in_child(lambda: report(whole, folder / "whole-report"))),
    }
    for turn in track(range(times), description="analyses"):
        name = "report" if turn % 10 == 9 else "analyze"
        command = (lambda: report(run, out)) if name == "report" else (lambda: analyze(run))
        ended = killed_after(chance.uniform(0, 1.2 * seconds[name]), command)
        counts["reports"] += name == "report"
        counts["ends" if ended else "kills"] += 1
        there = _tables(run)
        counts["tables"] += len(there)
        counts["bad"] += any(not table.equals(tables[name]) for name, table in there.items())
        if (out / "index.html").exists():
            counts["pages"] += 1
            counts["bad"] += not (out / "index.html").read_text().rstrip().endswith("</html>")
        for place in (out, run / "analysis") if chance.random() < 0.2 else ():
            shutil.rmtree(place, ignore_errors=True)
    return dict(counts)


def _tables(run: Path) -> dict[str, pd.DataFrame]:
    """Every kept table by analysis."""
    return {file.parent.name: pd.read_parquet(file) for file in run.glob("analysis/*/*.parquet")}
