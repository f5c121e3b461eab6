"""From the settings of an arm to the config of a run, at a scale."""

from __future__ import annotations

from collections.abc import Mapping

from grokscope.config import RunConfig, override, preset
from grokscope.experiments.why_clipping.scale import Scale


def bound(scale: Scale, task: str) -> float:
    """The published bound on row norms."""
    published = published_method(scale, task).norms.max_norm
    assert published is not None, f"{task}-lion-clip clips"
    return published


def published_method(scale: Scale, task: str) -> RunConfig:
    """The published method on a task, at this scale."""
    return sized(scale, task, preset(f"{task}-lion-clip"))


def sized(scale: Scale, task: str, config: RunConfig) -> RunConfig:
    """A config with the networks, the data, the budget and the cadence of a scale."""
    changed = override(override(config, scale.settings), scale.task_settings.get(task, {}))
    return override(changed, {"training.steps": scale.budget, "training.eval_every": scale.cadence})


def arm_config(scale: Scale, task: str, arm: str, seed: int, settings: Mapping[str, object]) -> RunConfig:
    """A run of an arm: plain Lion but for `settings`, by full name."""
    plain = override(published_method(scale, task), {"norms.init_rows": "none", "norms.max_norm": None})
    common = {
        "arm": arm,
        "seed": seed,
        "training.steps": scale.budget,
        "training.eval_every": scale.cadence,
        "training.stop_evaluations": 0,
        "checkpoints.schedule": "ends",
        "checkpoints.every": scale.checkpoint_every,
        "probes.record_every": None,
    }
    return override(plain, common | dict(settings))
