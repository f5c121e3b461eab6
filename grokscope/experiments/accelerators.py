"""Every accelerator of grokking side by side, with and without the clip: what is trained.

An arm that ends in `-clip` is the published method: rows projected at the start and clipped after every step, at the
published bound of the task.

All arms of a seed share initial weights, split and batch order; NeuralGrok's hold back one training example in fifty,
so the batches of those arms are others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grokscope.config import RunConfig, override, preset

if TYPE_CHECKING:
    from grokscope.runs import Run

TITLES = {
    "adam-l2": "Adam, L2 1e-3",
    "adamw": "AdamW, decay 0.01",
    "adamw-decay1": "AdamW, decay 1",
    "lion": "Lion",
    "grokfast-ema": "Grokfast-EMA",
    "grokfast-ma": "Grokfast-MA",
    "neuralgrok": "NeuralGrok",
    "neuralgrok-normalise": "– normalisation alone",
    "neuralgrok-frozen": "– amplifier frozen",
    "neuralgrok-merged": "– outer data merged",
    "scion": "Scion",
    "clipped-scion": "ClippedScion",
    "unconstrained-clipped-scion": "UnconstrainedClippedScion",
    "muon": "Muon",
    "orthograd": "Adam, OrthoGrad",
    "stablemax": "Adam, StableMax",
    "frobenius-cap": "Lion, Frobenius cap",
    "spectral-cap": "Lion, spectral cap",
}
"""What every method is called in a table, by its arm."""
ARMS = tuple(TITLES)
BUDGET = 6000
CADENCE = 20


def accelerator(task: str, arm: str, clip: bool, seed: int) -> RunConfig:
    """One run of the comparison; it ends when its grok has been sustained, or at its budget."""
    base = preset(
        f"{task}-{arm}",
        seed=seed,
        steps=BUDGET,
        eval_every=CADENCE,
        stop_evaluations=0,
        schedule="ends",
        record_every=None,
    )
    if not clip:
        return base
    max_norm = preset(f"{task}-lion-clip").norms.max_norm
    return override(base, {"arm": f"{arm}-clip", "norms.init_rows": "all", "norms.max_norm": max_norm})


def settled(runs: Sequence[Run], seeds: int) -> bool:
    """Whether so many runs of a setting never grokked that its median over `seeds` seeds is beyond the budget.

    No other seed could bring it into the budget, so none needs to be trained.
    """
    return 2 * sum(run.grok_step is None for run in runs) > seeds


STEP_COST = Path("benchmarks", "accelerators.json")


def step_cost() -> dict[str, float]:
    """Milliseconds of a step by arm (`lion`, `lion-clip`), as `python -m benchmarks.accelerators` measured them.

    Side by side on a quiet machine. Empty where it has not been run.
    """
    if not STEP_COST.exists():
        return {}
    measured = json.loads(STEP_COST.read_text("utf-8"))["step_ms"]
    return {name.replace(" ", "-"): float(cost) for name, cost in measured.items()}
