"""What the experiment trains: arms differ by what they are said to switch, and seeds are not tuned on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from math import prod

import pytest

from grokscope.config import ConfigError, RunConfig, differences, preset
from grokscope.experiments.accelerators import ARMS, accelerator, settled
from grokscope.experiments.why_clipping import Arms, arms, plan, tuning
from grokscope.experiments.why_clipping.claims import angles, dose, headline, methods
from grokscope.experiments.why_clipping.configs import bound
from grokscope.experiments.why_clipping.scale import MAIN, PUBLISHED, SCALES
from grokscope.experiments.why_clipping.study import Study, task_of
from grokscope.runs import run_name

BEST = {
    "adamw": {"optimizer.lr": 1e-3, "optimizer.weight_decay": 1.0},
    "lion": {"optimizer.lr": 1e-3, "optimizer.weight_decay": 0.1},
    "clip": {"optimizer.lr": 1e-3, "norms.max_norm": 1.5},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Iterator[Study]:
    """A study whose tuning and measured settings are known, though nothing has been trained."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (arms, headline):
            patch.setattr(module, "tuned_settings", lambda _: BEST)
        patch.setattr(angles, "angular_step", lambda _, arm: (("attention", 0.1 if arm == arms.HEADLINE else 0.01),))
        patch.setattr(dose, "clamp_reference", lambda _: 36.92)
        yield Study(PUBLISHED, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def planned(study) -> list[tuple[str, list[RunConfig]]]:
    return rounds(study)


def rounds(study: Study) -> list[tuple[str, list[RunConfig]]]:
    return [(stage, [job.config for job in jobs]) for stage, jobs in plan.rounds(study)]


def every_arm(planned) -> list[RunConfig]:
    return [*factorial(planned), *of_one_claim(planned)]


def factorial(planned) -> list[RunConfig]:
    _, looked_into, _, others, *_ = planned
    return [*looked_into[1], *others[1]]


def of_one_claim(planned) -> list[RunConfig]:
    return planned[4][1]


def test_each_arm_is_trained_on_every_seed_of_its_kind_and_no_two_runs_share_a_directory(planned):
    assert max(Counter(map(run_name, every_arm(planned))).values()) == 1
    for train, seeds in ((factorial, PUBLISHED.seeds), (of_one_claim, PUBLISHED.side_seeds)):
        trained = defaultdict(set)
        for config in train(planned):
            trained[task_of(config), config.arm].add(config.seed)
        assert {task for task, _ in trained} == set(seeds)
        for (task, arm), of_arm in trained.items():
            everywhere = train is of_one_claim or arm in arms.ON_EVERY_SEED
            assert of_arm == set(seeds[task] if everywhere else PUBLISHED.traced_seeds)
    assert {config.arm for config in factorial(planned)} == set(arms.FACTORS)
    assert len(PUBLISHED.seeds["mul"]) >= 10
    assert min(map(len, PUBLISHED.seeds.values())) >= 5


def test_seeds_are_trained_in_turn_so_that_an_experiment_cut_short_has_some_of_every_task(planned):
    first = planned[1][1]
    seeds = [config.seed for config in first]
    assert seeds == sorted(seeds)
    assert set(seeds) == set(PUBLISHED.traced_seeds)
    assert {task_of(config) for config in first if config.seed == 0} == set(PUBLISHED.seeds)
    on_main = [task_of(config) == MAIN for config in of_one_claim(planned)]
    assert on_main == sorted(on_main, reverse=True)


def test_every_stage_has_its_runs_and_a_measured_arm_comes_after_those_it_is_measured_on(planned):
    stages = [stage for stage, _ in planned]
    assert stages == ["tuning", "arms", "matched", "arms", "arms", *["accelerators"] * len(PUBLISHED.few_seeds)]
    assert plan.stages() == ("tuning", "arms", "matched", "accelerators")
    matched = {config.arm: config for config in planned[2][1]}
    assert set(matched) == {"angle-of-clip", "clip-angle-of-lion", "clamp-0.6", "clamp-0.8", "clamp-1", "clamp-1.2"}
    assert dict(matched["angle-of-clip"].optimizer.angular_step) == {"attention": 0.1}
    assert matched["clamp-0.8"].norms.clamp_target == pytest.approx(0.8 * 36.92)


def test_one_run_that_two_claims_declare_is_trained_once_and_two_of_one_name_are_refused(study, planned, monkeypatch):
    ours = plan._of_claims()
    again = Arms(lambda study, task: {"scope-gains": arms.clip(2.0, ["ln", "ln_final"])})
    monkeypatch.setattr(plan, "_of_claims", lambda: [*ours, again])
    assert rounds(study) == planned
    other = Arms(lambda study, task: {"scope-gains": arms.clip(3.0)})
    monkeypatch.setattr(plan, "_of_claims", lambda: [*ours, other])
    with pytest.raises(ConfigError, match="arms/mul-scope-gains-seed0 is declared twice with different settings"):
        rounds(study)


def test_arms_differ_from_plain_lion_by_what_they_switch_alone(planned):
    of_seed = {config.arm: config for config in every_arm(planned) if (task_of(config), config.seed) == ("mul", 1)}
    plain = of_seed["lion"]

    def switched(arm: str) -> set[str]:
        return set(differences(plain, of_seed[arm])) - {"arm", "checkpoints.schedule", "probes.record_every"}

    init, clip = {"norms.init_rows", "norms.init_norm"}, {"norms.max_norm"}
    assert switched("lion-init") == init
    assert switched("lion-clip") == clip
    assert switched("lion-init-clip") == init | clip
    assert switched("adamw-published") == switched("adamw")
    assert switched("scope-ln_final") == clip | {"norms.scope"}
    assert switched("temperature") == {"loss.temperature"}
    assert switched("clip-untempered") == init | clip | {"loss.temperature"}
    assert switched("lion-float64") == {"model.dtype"}
    assert switched("on-400") == clip | {"norms.from_step"}
    assert switched("off-100") == init | clip | {"norms.until_step"}
    assert switched("adamw") == {"optimizer.name", "optimizer.betas", "optimizer.weight_decay"}


def test_the_published_baseline_is_that_of_the_source(planned):
    # But for its budget and what is kept of it, as in presets/published.toml.
    for config in every_arm(planned):
        if config.arm == "adamw-published":
            known = preset(f"{task_of(config)}-adamw")
            assert differences(replace(config, arm=known.arm, seed=known.seed), known).keys() <= {
                "training.steps",
                "training.eval_every",
                "training.stop_evaluations",
                "checkpoints.schedule",
                "checkpoints.every",
                "probes.record_every",
            }


def test_the_temperature_is_what_the_clip_shrinks_a_gain_of_ones_by(planned):
    for config in every_arm(planned):
        if config.arm in ("temperature", "clip-untempered"):
            limit = bound(PUBLISHED, task_of(config))
            shrinkage = 128**0.5 / limit
            wanted = shrinkage if config.arm == "temperature" else 1 / shrinkage
            assert config.loss.temperature == pytest.approx(wanted)


def test_published_bounds_are_those_of_the_source():
    # Clip to Grok (2026), as in presets/published.toml.
    assert [bound(PUBLISHED, task) for task in ("mul", "sub", "div", "s5")] == [2.0, 1.5, 1.75, 1.0]


def test_grids_are_of_equal_size_and_tuned_on_seeds_that_are_not_reported_on(planned):
    sizes = {arm: prod(len(values) for values in grid.values()) for arm, (_, grid) in tuning.grids(2.0).items()}
    assert len(set(sizes.values())) == 1
    for scale in SCALES.values():
        reported = {seed for seeds in scale.seeds.values() for seed in seeds}
        assert reported.isdisjoint(scale.tuning_seeds)
        assert reported.issuperset(scale.traced_seeds)
    configs = planned[0][1]
    assert len(configs) == sum(sizes.values()) * len(PUBLISHED.tuning_seeds)
    assert len(set(map(run_name, configs))) == len(configs)


def test_traced_runs_alone_keep_dense_checkpoints_and_record(planned):
    for config in every_arm(planned):
        traced = config.seed in PUBLISHED.traced_seeds
        assert (config.checkpoints.schedule == "dense") == (traced and config.arm in arms.DENSE)
        assert (config.probes.record_every is not None) == (traced and config.arm in arms.FACTORS)


def test_methods_that_never_grok_on_most_seeds_are_not_run_again(study, monkeypatch):
    class Ended:
        def __init__(self, seed: int, grok: int | None) -> None:
            self.config = accelerator("mul", "adamw", False, seed)
            self.grok_step = grok

    for groks, enough in (((None, None), True), ((None, 500), False), ((400, 500), False)):
        ended = [Ended(seed, grok) for seed, grok in enumerate(groks)]
        assert settled(ended, 3) == enough
        monkeypatch.setattr(
            Study, "runs", lambda self, stage, task, arm, ended=ended: ended if (task, arm) == ("mul", "adamw") else []
        )
        planned_arms = [(task_of(config), config.arm) for config in methods.compared(study, 2)]
        assert (("mul", "adamw") not in planned_arms) == enough
        assert ("mul", "adamw-clip") in planned_arms


def test_every_method_has_an_arm_with_and_without_the_clip_on_the_same_seed(study):
    configs = list(methods.compared(study, 1))
    assert len(configs) == 2 * 2 * len(ARMS)
    assert {config.seed for config in configs} == {1}
    assert {config.arm for config in configs} == {name for arm in ARMS for name in (arm, f"{arm}-clip")}
