"""Load on what must survive it, counted: kills at random moments, ten thousand runs, a hundred thousand checkpoints.

    python -m benchmarks.faults [kills] [analyses] [runs] [checkpoints] [--times N] [--seed 0] [--out FILE]

kills        a small run is trained in a process that is killed (SIGKILL) at a random moment, N times (1,000); after
             each kill every file is verified; a run that comes to its end must be byte for byte the one of an
             uninterrupted training, and a new one is begun
analyses     `analyze` and `report` on copies of a run are killed N times (200); whatever table or page is there then
             must be whole, and the one of an undisturbed process
runs         N closed runs (10,000) in a directory are listed
checkpoints  a run of N checkpoints (100,000) is opened, listed, verified, and one parameter is read at all of them,
             with at most 64 open files

Without names, all parts. Adds a row for each count to reports/tables/faults.csv; seconds stand there as they were
measured, with the processor beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from rich.progress import track

from benchmarks.machine import describe

OUT = Path("reports", "tables", "faults.csv")
TIMES = {"kills": 1000, "analyses": 200, "runs": 10_000, "checkpoints": 100_000}
OPEN_FILES = 64
Counts = dict[str, int | float]


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--times", type=int, help="instead of those above")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(words)
    failed = False
    for part in options.parts or PARTS:
        times = TIMES[part] if options.times is None else options.times
        with TemporaryDirectory(prefix="grokscope-faults-") as folder:
            counts = PARTS[part](Path(folder), times, random.Random(options.seed))
        _write(options.out, part, times, options.seed, counts)
        print(part, counts)
        failed |= bool(counts.get("bad", 0))
    return 1 if failed else 0


def small_config():
    """A run that trains in a second, with a checkpoint every few steps."""
    import grokscope as gs

    return gs.override(
        gs.RunConfig(),
        {
            "task.modulus": 7, "model.n_layers": 1, "model.d_model": 8, "model.n_heads": 2, "model.d_mlp": 8,
            "training.steps": 60, "training.batch_size": None, "training.eval_every": 3,
            "checkpoints.schedule": "every", "checkpoints.every": 3, "probes.record_every": 6, "norms.max_norm": 2.0,
        },
    )  # fmt: skip


def kills(folder: Path, times: int, chance: random.Random) -> Counts:
    """Kill training at random moments."""
    from grokscope.runs import open_run, verify_run

    counts: Counter[str] = Counter(kills=0, before_there_was_a_run=0, ends=0, bad=0)
    reference = folder / "reference"
    seconds = _seconds(lambda: _in_child(lambda: _train(reference)))
    expected = open_run(reference).digests
    path = folder / "run0"
    for _ in track(range(times), description="kills"):
        ended = _killed_after(chance.uniform(0, 1.2 * seconds), lambda at=path: _train(at))
        if ended:
            counts["ends"] += 1
            counts["bad"] += open_run(path).digests != expected or _is_bad(verify_run(path))
            shutil.rmtree(path)
            path = folder / f"run{counts['ends']}"
            continue
        counts["kills"] += 1
        if (path / "config.json").exists():
            counts["bad"] += _is_bad(verify_run(path))
            counts["bad"] += any(expected[step] != sha for step, sha in open_run(path).digests.items())
        else:
            counts["before_there_was_a_run"] += 1
    _in_child(lambda: _train(path))
    counts["ends"] += 1
    counts["bad"] += open_run(path).digests != expected or _is_bad(verify_run(path))
    return dict(counts)


def _train(path: Path) -> None:
    from grokscope.training import loop, resume, train

    loop.STATE_EVERY_SECONDS = 0.0
    if (path / "config.json").exists():
        resume(path, progress=False)
    else:
        train(small_config(), path, progress=False)


def _is_bad(findings) -> bool:
    return any(finding.is_bad for finding in findings)


def analyses(folder: Path, times: int, chance: random.Random) -> Counts:
    """Kill analyses and reports at random moments."""
    from grokscope.cli import main as grokscope

    counts: Counter[str] = Counter(kills=0, ends=0, tables=0, pages=0, bad=0)
    run, out = folder / "run", folder / "report"
    _in_child(lambda: _train(run))
    whole = shutil.copytree(run, folder / "whole" / "run")

    def work(path: Path, page: Path) -> None:
        _quiet(lambda: grokscope(["analyze", str(path), "--workers", "1"]))
        _quiet(lambda: grokscope(["report", "report", str(path), "--out", str(page)]))

    seconds = _seconds(lambda: _in_child(lambda: work(whole, folder / "whole-report")))
    tables = _tables(whole)
    for _ in track(range(times), description="analyses"):
        ended = _killed_after(chance.uniform(0, 1.2 * seconds), lambda: work(run, out))
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


def runs(folder: Path, times: int, chance: random.Random) -> Counts:
    """List many runs."""
    from grokscope.runs import list_runs

    _in_child(lambda: _train(folder / "run"))
    top = folder / "many"
    for number in track(range(times), description="runs"):
        shutil.copytree(folder / "run", top / f"{number:06d}", ignore=shutil.ignore_patterns("step_*", "state.*"))
    rows: list[dict] = []
    seconds = _seconds(lambda: rows.extend(list_runs(top)))
    bad = sum(row["status"] != "finished" or row["grok_step"] != rows[0]["grok_step"] for row in rows)
    return {"listed": len(rows), "bad": bad + (len(rows) != times), "seconds_to_list": round(seconds, 2)}


def checkpoints(folder: Path, times: int, chance: random.Random) -> Counts:
    """Read a run of many checkpoints."""
    import torch

    from grokscope.runs import list_runs, open_run, verify_run

    path, config = folder / "run", small_config()
    _many(path, config, times)
    with _few_files():
        counts: Counts = {"open_files": OPEN_FILES}
        opened: list = []
        counts["seconds_to_open"] = round(_seconds(lambda: opened.append(open_run(path))), 2)
        counts["seconds_to_list"] = round(_seconds(lambda: list_runs(folder)), 2)
        findings: list = []
        counts["seconds_to_verify"] = round(_seconds(lambda: findings.extend(verify_run(path))), 2)
        values: list = []
        run = opened[0]
        counts["seconds_of_a_trajectory"] = round(_seconds(lambda: values.append(run.trajectory("ln_final.w"))), 2)
    right = torch.equal(values[0][:, 0], torch.arange(times, dtype=torch.float32))
    counts["bad"] = (len(run.steps) != times) + _is_bad(findings) + (not right)
    return counts


def _many(path: Path, config, times: int) -> None:
    """A closed run of so many checkpoints, each told from the others by one number."""
    from grokscope.disk.files import digest
    from grokscope.model import initial_weights
    from grokscope.runs import create_run
    from grokscope.runs.layout import checkpoint_file
    from grokscope.runs.manifest import Entry, serialise
    from grokscope.tasks import build_task

    weights = initial_weights(config.model, build_task(config.task), seed=0)
    writer = create_run(path, config)
    with (path / "manifest.jsonl").open("a") as manifest:  # as the writer would, without making each durable
        for step in track(range(times), description="checkpoints"):
            weights["ln_final.w"][0] = float(step)
            data = serialise(weights)
            (path / checkpoint_file(step)).write_bytes(data)
            manifest.write(json.dumps(Entry(checkpoint_file(step), len(data), digest(data), step).row()) + "\n")
    writer.finish("finished")


class _few_files:
    """At most `OPEN_FILES` open files inside the block."""

    def __enter__(self) -> None:
        self._before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, self._before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, self._before)


def _killed_after(seconds: float, work: Callable[[], None]) -> bool:
    """Do the work in a process that is killed after some time; returns whether it had ended before."""
    child = _fork(work)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if os.waitstatus_to_exitcode(status) != 0:
                raise RuntimeError("the work failed; see above")
            return True
        time.sleep(0.001)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _in_child(work: Callable[[], None]) -> None:
    if not _killed_after(3600, work):
        raise RuntimeError("the work was not done in an hour")


def _fork(work: Callable[[], None]) -> int:
    """A forked process that does the work: it need not import torch again."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _quiet(work: Callable[[], int]) -> None:
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        code = work()
    if code:
        raise RuntimeError(f"exit code {code}")


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _write(out: Path, part: str, times: int, seed: int, counts: Counts) -> None:
    """Put the counts of a part into the table, in place of those that it had."""
    from grokscope.disk import csv_bytes, write_atomic

    processor = describe()["processor"]
    rows = [
        {"part": part, "times": times, "seed": seed, "what": name, "count": value, "processor": processor}
        for name, value in counts.items()
    ]
    known = pd.read_csv(out).to_dict("records") if out.exists() else []
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, csv_bytes(pd.DataFrame([*(row for row in known if row["part"] != part), *rows])))


PARTS: dict[str, Callable[[Path, int, random.Random], Counts]] = {
    "kills": kills,
    "analyses": analyses,
    "runs": runs,
    "checkpoints": checkpoints,
}

if __name__ == "__main__":
    import grokscope.training  # noqa: F401  before the first fork

    sys.exit(main())
