"""The runs of an experiment whose rows need no more than times, trained side by side on a GPU.

All seeds of an arm are one training (see `grokscope.training.replicas`). Its rows say in the column `trained_on` what
they were trained on; they have no seconds, which many networks share, and there are no run directories to look into.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from grokscope.analysis import where
from grokscope.analysis.timing.records import times
from grokscope.config import RunConfig, override
from grokscope.experiments.experiment import Request
from grokscope.experiments.ledger import PlannedRun, unfinished, write_rows
from grokscope.training import ReplicaResults, train_replicas

COLUMN = "trained_on"
"""What a row was trained on, where that is not a processor by itself."""


def train_side_by_side(
    plan: Sequence[PlannedRun], runs: Path, file: Path, request: Request, rows: Callable[[], pd.DataFrame]
) -> None:
    """Train what has not ended, an arm at a time, and write the rows after each.

    Arguments:
        plan: the runs, in the order in which their arms are trained.
        file: where rows are published.
        rows: all rows that there are.
    """
    device = str(request.side_by_side)
    arms: dict[RunConfig, list[PlannedRun]] = {}
    for one in unfinished(plan, runs, file):
        arms.setdefault(override(one.job.config, {"seed": 0}), []).append(one)
    for number, (config, of_arm) in enumerate(arms.items(), start=1):
        first = of_arm[0]
        request.say(f"{first.part}, {first.task}, {first.arm}: {len(of_arm)} seeds ({number} of {len(arms)} arms)")
        seeds = [one.job.config.seed for one in of_arm]
        results = train_replicas(override(config, {"device": device}), seeds)
        made = [_row(one, results, device) for one in of_arm]
        known = rows()
        write_rows(file, pd.concat([*([known] if len(known) else []), *made], ignore_index=True))


def _row(one: PlannedRun, results: ReplicaResults, device: str) -> pd.DataFrame:
    """The row of a run, as `rows_of` makes it of a directory."""
    config, seed = one.job.config, one.job.config.seed
    metrics = where(results.metrics, seed=seed)
    status = "diverged" if seed in results.diverged else "finished"
    identity = {"part": one.part, "run": one.job.name, "task": one.task, "arm": one.arm, **one.about, "seed": seed}
    row = times(config, metrics, results.milestones[seed], status)
    row = row.assign(**identity, config=one.key[1], **{COLUMN: _name(device)})
    return row.reindex(columns=[*identity, *(name for name in row if name not in identity)])


def _name(device: str) -> str:
    """What a device is called, as "NVIDIA H100 80GB HBM3"."""
    import torch

    if device.partition(":")[0] != "cuda":
        return f"{device}, side by side"
    return f"{torch.cuda.get_device_name(device)}, side by side"
