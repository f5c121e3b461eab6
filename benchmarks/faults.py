"""Load on what must survive it, counted: kills at random moments, ten thousand runs, a hundred thousand checkpoints.

    python -m benchmarks.faults [PART ...] [--times N] [--seed 0] [--smallest] [--out FILE]

kills        a small run is trained in a process that is killed (SIGKILL) at a random moment, N times (1,000); after
             each kill every file is verified; a run that comes to its end must be byte for byte the one of an
             uninterrupted training, and a new one is begun
sweeps       a sweep of eight runs and two workers: a worker, the sweep or all are killed N times (100); no run may be
             damaged, trained again after its end, or differ from one trained alone, and no process may be left
nodes        a sweep of four runs on a Ray cluster of three nodes, of which one is killed, N times (20); likewise
analyses     `analyze`, and every tenth time `report`, on a run are killed N times (200); whatever table or page is
             there then must be whole, and the table of an undisturbed process
runs         N closed runs (10,000) in a directory are listed
checkpoints  a run of N checkpoints (100,000) is opened, listed, verified, and one parameter is read at all of them,
             with at most 64 open files

Without names, all parts. Puts a row for each count into reports/tables/faults.csv; seconds stand there as they were
measured, with the processor beside them.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from benchmarks.command_line import command_line
from benchmarks.load.analyses import analyses
from benchmarks.load.many import checkpoints, runs
from benchmarks.load.nodes import nodes
from benchmarks.load.processes import Counts
from benchmarks.load.sweeps import sweeps
from benchmarks.load.training import kills
from benchmarks.machine import describe

OUT = Path("reports", "tables", "faults.csv")
Part = Callable[[Path, int, random.Random], Counts]
PARTS: dict[str, tuple[Part, int, int]] = {
    "kills": (kills, 1000, 4),
    "sweeps": (sweeps, 100, 1),
    "nodes": (nodes, 20, 1),
    "analyses": (analyses, 200, 1),
    "runs": (runs, 10_000, 12),
    "checkpoints": (checkpoints, 100_000, 150),
}
"""By name: what is done, how often, and how often at the smallest size."""


def main(words: list[str] | None = None) -> int:
    parser = command_line(__doc__, out=OUT, smallest="a few times, to show that it works")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[], metavar="PART")
    parser.add_argument("--times", type=int, help="instead of those above")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args(words)
    failed = False
    for name in options.parts or PARTS:
        part, often, least = PARTS[name]
        times = options.times or (least if options.smallest else often)
        with TemporaryDirectory(prefix="grokscope-faults-") as folder:
            counts = part(Path(folder), times, random.Random(options.seed))
        _write(options.out, name, times, options.seed, counts)
        print(name, counts)
        failed |= bool(counts["bad"])
    return 1 if failed else 0


def _write(out: Path, part: str, times: int, seed: int, counts: Counts) -> None:
    """Put the counts of a part into the table, in place of those that it had."""
    from grokscope.disk import csv_bytes, write_atomic

    machine = describe()
    processor = f"{machine['processor']}, family {machine['family']}"
    rows = [
        {"part": part, "times": times, "seed": seed, "what": name, "count": f"{value:g}", "processor": processor}
        for name, value in counts.items()
    ]
    known = pd.read_csv(out, dtype=str).to_dict("records") if out.exists() else []
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, csv_bytes(pd.DataFrame([*(row for row in known if row["part"] != part), *rows])))


if __name__ == "__main__":
    import grokscope.training  # noqa: F401  before the first fork

    sys.exit(main())
