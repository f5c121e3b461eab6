"""What is trained, round by round: the tuning, the arms that claims share, and what every claim declares.

A later round's settings may come from what the runs of an earlier one showed. See `trained.STAGES` for the rounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from grokscope.config import ConfigError, RunConfig
from grokscope.experiments.why_clipping.arms import SHARED
from grokscope.experiments.why_clipping.configs import arm_config
from grokscope.experiments.why_clipping.declared import declared_claims
from grokscope.experiments.why_clipping.scale import MAIN, Scale
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.why_clipping.trained import STAGES, Arms, Round, WholeRuns, arms_by_task
from grokscope.experiments.why_clipping.tuning import TUNED
from grokscope.sweeps import Job


def rounds(study: Study) -> Iterator[tuple[str, tuple[Job, ...]]]:
    """The stage and the runs of every round: ask for the next when those of the last have ended.

    Raises ValueError where runs that a round is measured on have not ended, and `ConfigError` where two claims
    declare one run with different settings.
    """
    declared = [TUNED, *SHARED, *_of_claims()]
    planned: dict[tuple[str, str], RunConfig] = {}
    for name, stage in STAGES.items():
        arms = [one for one in declared if isinstance(one, Arms) and one.round == name]
        yield stage, _jobs(stage, in_turn(study, name, arms), planned)
    for one in declared:
        if isinstance(one, WholeRuns):
            for seed in one.seeds(study.scale):
                yield one.stage, _jobs(one.stage, one.configs(study, seed), planned)


def stages() -> tuple[str, ...]:
    """The folders of all runs, in the order in which the first of each are trained."""
    whole = [one.stage for one in _of_claims() if isinstance(one, WholeRuns)]
    return tuple(dict.fromkeys([*STAGES.values(), *whole]))


def in_turn(study: Study, name: Round, arms: Sequence[Arms]) -> Iterator[RunConfig]:
    """The runs of a round, all arms of a seed before the next seed, so that a round cut short has some of each.

    The arms of one claim are trained on the main task first.
    """
    settings = [(one.seeds(study.scale), arms_by_task(one, study)) for one in arms]
    pairs = {(seed, task) for seeds, _ in settings for task, of in seeds.items() for seed in of}
    for seed, task in sorted(pairs, key=lambda pair: _order(study.scale, name, *pair)):
        for seeds, by_task in settings:
            if seed in seeds.get(task, ()):
                for arm, chosen in by_task[task].items():
                    yield arm_config(study.scale, task, arm, seed, chosen)


def _order(scale: Scale, name: Round, seed: int, task: str) -> tuple[bool, int, int]:
    return (name == "of one claim" and task != MAIN), seed, list(scale.seeds).index(task)


def _of_claims() -> list[Arms | WholeRuns]:
    return [one for claim in declared_claims().values() for one in claim.trains]


def _jobs(stage: str, configs: Iterable[RunConfig], planned: dict[tuple[str, str], RunConfig]) -> tuple[Job, ...]:
    """A job for every run that is not planned yet; two claims may declare the same run."""
    jobs = []
    for job in map(Job, configs):
        other = planned.setdefault((stage, job.name), job.config)
        if other is job.config:
            jobs.append(job)
        elif other != job.config:
            raise ConfigError(
                f"{stage}/{job.name} is declared twice with different settings: give the arms names that differ"
            )
    return tuple(jobs)
