"""Training is killed at random moments, and ends with the bytes of an uninterrupted one."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

from rich.progress import track

from benchmarks.load.processes import Counts, in_child, killed_after, seconds_of


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


def train_or_resume(path: Path) -> None:
    """Train the small run, or go on with it; its state is saved at every evaluation."""
    from grokscope.training import loop, resume, train

    loop.STATE_EVERY_SECONDS = 0.0
    if (path / "config.json").exists():
        resume(path, progress=False)
    else:
        train(small_config(), path, progress=False)


def is_bad(path: Path) -> bool:
    """Whether any file of a run is not as it was written."""
    from grokscope.runs import verify_run

    return any(finding.is_bad for finding in verify_run(path))


def kills(folder: Path, times: int, chance: random.Random) -> Counts:
    """Kill training at random moments; each end is compared with an uninterrupted training."""
    from grokscope.runs import open_run

    counts: Counter[str] = Counter(kills=0, before_there_was_a_run=0, ends=0, bad=0)
    reference = folder / "reference"
    seconds = seconds_of(lambda: in_child(lambda: train_or_resume(reference)))
    expected = open_run(reference).digests
    path = folder / "run0"
    for _ in track(range(times), description="kills"):
        if killed_after(chance.uniform(0, 1.2 * seconds), lambda at=path: train_or_resume(at)):
            counts["ends"] += 1
            counts["bad"] += open_run(path).digests != expected or is_bad(path)
            shutil.rmtree(path)
            path = folder / f"run{counts['ends']}"
            continue
        counts["kills"] += 1
        if (path / "config.json").exists():
            counts["bad"] += is_bad(path)
            counts["bad"] += any(expected[step] != sha for step, sha in open_run(path).digests.items())
        else:
            counts["before_there_was_a_run"] += 1
    in_child(lambda: train_or_resume(path))
    counts["ends"] += 1
    counts["bad"] += open_run(path).digests != expected or is_bad(path)
    return dict(counts)
