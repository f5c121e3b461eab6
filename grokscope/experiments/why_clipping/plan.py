"""What is trained, stage by stage: a later stage's settings come from what the runs of an earlier one showed.

tuning        grids of equal size, on seeds of their own
arms          the factorial arms on the seeds that are looked into; after `matched`, on the others; then the arms that
              one claim alone is about
matched       arms whose settings are measured on others: the angular step of the clipped networks, clamped norms
accelerators  other methods, with and without the clip
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product

import numpy as np

from grokscope.analysis import numbers, probes, reference_norm, rows
from grokscope.analysis.timing import best_settings
from grokscope.config import GroupName, GroupValues, RunConfig, override, preset
from grokscope.experiments.accelerators import ARMS as ACCELERATORS
from grokscope.experiments.accelerators import accelerator
from grokscope.experiments.why_clipping import arms
from grokscope.experiments.why_clipping.scale import MAIN, Scale
from grokscope.experiments.why_clipping.study import Study, up_to_grok
from grokscope.sweeps import Job

ANGLES: tuple[GroupName, ...] = ("attention", "mlp")
"""Groups whose angular step is matched: those of which a row is a direction. Gains and biases are one row each."""
DIGITS = 4
"""Significant digits of what is measured and then set, so that a config can be read."""


def bound(scale: Scale, task: str) -> float:
    """The published bound on row norms."""
    found = _base(scale, task).norms.max_norm
    assert found is not None, f"{task}-lion-clip clips"
    return found


def tuning(study: Study) -> Iterator[RunConfig]:
    """Grids of learning rate by weight decay, or by bound, on the main task."""
    scale = study.scale
    for seed in scale.tuning_seeds:
        for arm, (settings, grid) in arms.grids(bound(scale, MAIN)).items():
            for point in product(*grid.values()):
                chosen = settings | dict(zip(grid, point, strict=True))
                name = "-".join([arm, *(f"{value:g}" for value in point)])
                yield _config(scale, MAIN, name, seed, chosen | {"training.steps": scale.tuning_budget})


def factorial(study: Study, traced: bool) -> Iterator[RunConfig]:
    """The arms of `FACTORS` on every task: all on the seeds that are looked into, or those of `ON_EVERY_SEED` on the
    others."""
    scale, adamw = study.scale, tuned_settings(study)["adamw"]
    for seed, task in _in_turn(scale.seeds):
        if (seed in scale.traced_seeds) != traced:
            continue
        for arm, settings in arms.factorial(bound(scale, task), adamw).items():
            kept = {
                "checkpoints.schedule": "dense" if traced and arm in arms.DENSE else "ends",
                "probes.record_every": 10 if traced else None,
            }
            if traced or arm in arms.ON_EVERY_SEED:
                yield _config(scale, task, arm, seed, settings | kept)


def side_arms(study: Study) -> Iterator[RunConfig]:
    """Arms that one claim alone is about: all of them on the main task, and then other bounds on the others."""
    scale, best = study.scale, tuned_settings(study)
    for seed, task in sorted(_in_turn(scale.side_seeds), key=lambda pair: pair[1] != MAIN):
        limit = bound(scale, task)
        chosen = arms.doses(limit)
        if task == MAIN:
            chosen |= arms.on_main(limit, _base(scale, task).model.d_model)
            chosen |= {"lion-tuned": best["lion"], "clip-tuned": arms.init(limit) | best["clip"]}
        for arm, settings in chosen.items():
            yield _config(scale, task, arm, seed, settings)


def matched(study: Study) -> Iterator[RunConfig]:
    """Arms that are given what others showed; on the main task."""
    scale, limit = study.scale, bound(study.scale, MAIN)
    whole = arms.init(limit) | arms.clip(limit)
    held = {
        "angle-of-clip": {"optimizer.angular_step": angular_step(study, arms.HEADLINE)},
        "clip-angle-of-lion": whole | {"optimizer.angular_step": angular_step(study, arms.BASELINE)},
    }
    for seed in scale.side_seeds[MAIN]:
        for arm, settings in held.items():
            yield _config(scale, MAIN, arm, seed, settings)
    norm = clamp_reference(study)
    for seed in scale.few_seeds if norm is not None else ():
        for rho in arms.CLAMPS:
            settings = {"norms.clamp_rho": rho, "norms.clamp_reference": norm}
            yield _config(scale, MAIN, f"clamp-{rho:g}", seed, settings)


def accelerators(study: Study, seed: int) -> Iterator[RunConfig]:
    """Other methods. A setting of which more than half of the seeds never grokked is not run again: no other seed
    could bring its median into the budget."""
    scale = study.scale
    for task in scale.method_tasks:
        for clip in (False, True):
            for arm in scale.methods or ACCELERATORS:
                config = _sized(scale, task, accelerator(task, arm, clip, seed))
                if not settled(study, config):
                    yield config


STAGES = ("tuning", "arms", "matched", "accelerators")


def rounds(study: Study) -> Iterator[tuple[str, tuple[Job, ...]]]:
    """The runs of every stage, in one round or several: ask for the next when those of the last have ended."""
    yield "tuning", _jobs(tuning(study))
    yield "arms", _jobs(factorial(study, traced=True))
    yield "matched", _jobs(matched(study))
    yield "arms", _jobs(factorial(study, traced=False))
    yield "arms", _jobs(side_arms(study))
    for seed in study.scale.few_seeds:
        yield "accelerators", _jobs(accelerators(study, seed))


def _in_turn(seeds: Mapping[str, tuple[int, ...]]) -> list[tuple[int, str]]:
    """Each seed of each task, by increasing seed."""
    return sorted(((seed, task) for task, chosen in seeds.items() for seed in chosen), key=lambda pair: pair[0])


def _jobs(configs: Iterable[RunConfig]) -> tuple[Job, ...]:
    return tuple(map(Job, configs))


def settled(study: Study, config: RunConfig) -> bool:
    """Whether so many other seeds of a setting have never grokked that its median is beyond the budget."""
    others = [run for run in study.runs("accelerators", config.task.name, config.arm) if run.config.seed != config.seed]
    return 2 * sum(run.grok_step is None for run in others) > len(study.scale.few_seeds)


def tuned_settings(study: Study) -> dict[str, arms.Settings]:
    """The best setting of each grid: settings by full name."""
    found = {}
    for arm, (_, grid) in arms.grids(bound(study.scale, MAIN)).items():
        best = best_settings(study.grid(arm, tuple(grid)), list(grid), study.scale.tuning_seeds)
        found[arm] = {name: float(best[name].iloc[0]) for name in grid}
    return found


def angular_step(study: Study, arm: str) -> GroupValues:
    """Radians per step that rows turn by in an arm: the median over recorded steps up to the grok, of its traced runs.

    All steps of runs that did not grok count.
    """
    runs = study.traced(MAIN, arm)
    table = up_to_grok(probes(runs), runs)
    angles = {group: numbers(rows(table, group=group, parameter=""), "angle_mean") for group in ANGLES}
    return tuple((group, _rounded(float(np.nanmedian(angles[group])))) for group in ANGLES)


def clamp_reference(study: Study) -> float | None:
    """The norm at which unclipped runs begin to generalise; None if none does."""
    try:
        return _rounded(reference_norm(study.traced(MAIN, arms.BASELINE)))
    except ValueError:
        return None


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _base(scale: Scale, task: str) -> RunConfig:
    """The published method on a task, at this scale."""
    return _sized(scale, task, preset(f"{task}-lion-clip"))


def _sized(scale: Scale, task: str, config: RunConfig) -> RunConfig:
    sized = override(override(config, scale.settings), scale.task_settings.get(task, {}))
    return override(sized, {"training.steps": scale.budget, "training.eval_every": scale.cadence})


def _config(scale: Scale, task: str, arm: str, seed: int, settings: Mapping[str, object]) -> RunConfig:
    plain = override(_base(scale, task), {"norms.init_rows": "none", "norms.max_norm": None})
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
