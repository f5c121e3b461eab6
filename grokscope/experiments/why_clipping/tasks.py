"""The six tasks: published bound, budget, and the config that every arm differs from.

That is Lion as published with the projection and without the clip, in networks with the published residual.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grokscope.config import RunConfig, override, preset
from grokscope.experiments.steps import ending_after_grok

MAIN = "mul"
"""The task on which every arm is run."""


@dataclass(frozen=True)
class TaskSize:
    """A task at a scale."""

    budget: int
    """Steps; a run that has not grokked by then is censored. At least 2.5 times the published median of the clip, so
    that one that is censored is later by more than the margin."""
    settings: Mapping[str, Any]
    """Of every run, over those of the preset."""


BUDGETS = {"mul": 3000, "add": 3000, "sub": 4000, "div": 4000, "mixed": 8000, "s5": 5000}


EVERY = {"mul": 20, "s5": 50}
"""Steps between checkpoints of the runs that are looked at closely, on the tasks where they are."""


def bound(task: str) -> float:
    """The published bound on row norms."""
    published = preset(f"{task}-lion-clip").norms.max_norm
    assert published is not None, f"{task}-lion-clip clips"
    return published


def base(task: str, size: TaskSize) -> RunConfig:
    """Lion with the projection and without the clip, at a size."""
    rows = {"norms.init_rows": "all", "norms.init_norm": bound(task), "norms.max_norm": None}
    return override(override(preset(f"{task}-lion-clip"), rows), size.settings)


def arm_config(task: str, arm: str, seed: int, size: TaskSize, settings: Mapping[str, Any]) -> RunConfig:
    """`base` but for some settings, evaluated once an epoch; a run ends 200 steps after its sustained grok."""
    common = {
        "arm": arm,
        "seed": seed,
        "training.steps": size.budget,
        "training.eval_every": None,
        "checkpoints.schedule": "ends",
        "probes.record_every": None,
        "probes.margins_every": MARGINS_EVERY,
    }
    config = override(base(task, size), common | dict(settings))
    return config if "training.stop_evaluations" in settings else ending_after_grok(config)


MARGINS_EVERY = 100
"""Steps between records of signal, memory and noise."""
