"""The clip replaced by what it does: what is planned, what arms set, what rows say, going on from another machine."""

from __future__ import annotations

import shutil
from dataclasses import replace
from math import exp, log

import numpy as np
import pandas as pd
import pytest

from grokscope.analysis import run_all, where
from grokscope.analysis.timing import timing_table
from grokscope.analysis.timing.non_inferiority import seeds_needed
from grokscope.config import ConfigError, differences, override, preset
from grokscope.experiments import ledger
from grokscope.experiments.experiment import Request, experiment
from grokscope.experiments.ledger import digest
from grokscope.experiments.why_clipping import declared, page, trained, watched
from grokscope.experiments.why_clipping.declared import HELD, NORMS_FREE, TESTED, Arm, declare_family, families
from grokscope.experiments.why_clipping.families.decay import GROUPS, removal
from grokscope.experiments.why_clipping.setting import NotYet, Setting
from grokscope.experiments.why_clipping.summary import summary
from grokscope.experiments.why_clipping.tasks import BUDGETS, arm_config, base
from grokscope.experiments.why_clipping.trained import (
    CARRIERS,
    PUBLISHED,
    SMALL,
    STAGES,
    TUNING_SEEDS,
    Study,
    milestones_of,
)
from grokscope.model import Trace, in_scope, parameter_shapes, read_trace
from grokscope.runs import open_run
from grokscope.sweeps import Sweep, run_sweep
from grokscope.tasks import build_task
from grokscope.training import train
from tests.light_workers import forking_workers


@pytest.fixture
def study(tmp_path) -> Study:
    return Study(PUBLISHED, tmp_path / "runs", tmp_path / "out")


def _trace(steps: int = 500, shrink: float = 0.999) -> Trace:
    """Every tensor shrinks by one factor at each step, but for embedding and unembedding."""
    config = preset("mul-lion-clip")
    names = tuple(parameter_shapes(config.model, build_task(config.task)))
    updated = np.full((steps, len(names)), 2.0)
    free = np.array([name.startswith(("embed", "unembed")) for name in names])
    after = np.where(free, updated, shrink * updated)
    return Trace(names, np.full(len(names), 2.0), updated, after, np.linspace(0.1, 2.0, steps))


# --- what is planned ---------------------------------------------------------------------------------------------


def test_every_arm_is_on_the_main_task_and_those_that_carry_the_answer_on_the_others(study):
    for of in ("clip", "free"):
        _trace().save(study.settings()["mul"].trace_file(of))
    of_main = {run.arm for run in study.arms("mul")}
    every = {name for family in families().values() for name in family.arms()}
    assert every - of_main == {"decay-tuned"}  # before the tuning has ended
    assert set(CARRIERS) <= every
    for task in set(BUDGETS) - {"mul"}:
        of_task = {run.arm for run in study.arms(task)}
        assert {"clip", "free"} <= of_task
        if task == "mixed":
            assert of_task == {"clip", "free", *HELD, NORMS_FREE}
        else:  # what is measured on traces of the task waits for them
            assert set(CARRIERS) - of_task == {"decay-as-clip"}


def test_runs_have_names_of_their_own_and_seeds_are_neither_tuned_nor_traced(study):
    runs = [*study.tuning(), *study.arms()]
    assert len({run.job.name for run in runs}) == len(runs)
    assert {run.job.config.seed for run in study.tuning()} == set(TUNING_SEEDS)
    assert {run.job.config.seed for run in study.arms()} == {0, 1, 2, 3, 4}
    assert study.traced("mul", "clip").config.seed == 200


def test_what_decides_comes_first_then_what_carries_the_answer_and_in_each_all_of_a_seed_before_the_next(study):
    of = {stage: study.arms(stage=stage) for stage in STAGES}
    assert {run.arm for run in of["decisive"]} == {"clip", *HELD}
    assert {run.arm for run in of["carrying"]} == {"free", *CARRIERS} - {*HELD, "decay-as-clip"}
    assert {run.task for run in of["decisive"]} == {run.task for run in of["carrying"]} == set(BUDGETS)
    assert [run.job.name for run in study.arms()] == [run.job.name for stage in STAGES for run in of[stage]]
    for stage, runs in of.items():
        seeds = [run.job.config.seed for run in runs]
        assert seeds == sorted(seeds)
        second = [run.job.name for run in runs if run.job.config.seed == 1]
        assert second == [run.job.name for run in study.arms(place=1, stage=stage)]


def test_what_decides_waits_for_no_trace(study):
    assert study.missing_traces("mul", "decisive", study.arms("mul", stage="decisive")) == []
    assert study.missing_traces("mul", "carrying", study.arms("mul", stage="carrying")) == ["clip", "free"]


def test_the_ends_are_the_published_method_and_the_same_without_its_clip(study):
    runs = {(run.task, run.arm): run.job.config for run in study.arms() if run.job.config.seed == 0}
    for task in BUDGETS:
        clip, free = runs[task, "clip"], runs[task, "free"]
        assert set(differences(clip, free)) == {"arm", "norms.max_norm"}
        published = preset(f"{task}-lion-clip")
        assert clip.norms.max_norm == clip.norms.init_norm == published.norms.max_norm
        assert (clip.task, clip.model, clip.optimizer) == (published.task, published.model, published.optimizer)
        assert clip.training.steps == BUDGETS[task]
        # An arm that is censored is then later than the clip by more than twice the margin.
        assert BUDGETS[task] >= 2.5 * preset_published(task)


def preset_published(task: str) -> int:
    from grokscope.config import presets

    published = presets()[f"{task}-lion-clip"].published
    assert published is not None
    assert published.grok_step is not None
    return published.grok_step


def test_a_run_ends_200_steps_after_its_sustained_grok(study):
    config = next(run.job.config for run in study.arms("mul") if run.arm == "clip")
    # 4,656 training pairs in batches of 512 are 10 steps an epoch.
    assert config.training.eval_every is None
    assert config.training.stop_evaluations == 20
    full = arm_config("mul", "x", 0, PUBLISHED.sizes["mul"], {"training.batch_size": None})
    assert full.training.stop_evaluations == 20  # of 10 steps too


def test_the_three_factors_have_every_combination_once(study):
    configs = {run.arm: run.job.config for run in study.arms("mul") if run.part in ("two-by-two-by-two", "ends")}
    cells = {arm: c for arm, c in configs.items() if arm.startswith("norms-") or arm in ("clip", "free")}
    assert len(cells) == 8
    seen = set()
    for config in cells.values():
        norms = "clip" if config.norms.max_norm else "free"

        def like(reference: str | None, own: str = norms) -> str:
            return own if reference is None else ("clip" if "-clip.safetensors" in reference else "free")

        seen.add((norms, like(config.norms.relative_step_trace), like(config.loss.follow)))
    assert len(seen) == 8


# --- what arms set -----------------------------------------------------------------------------------------------


def test_decay_as_the_clip_removes_as_much_of_every_group(study, tmp_path):
    setting = Setting("mul", study.runs, study.out)
    arm = families()["decay"].arms()["decay-as-clip"]
    with pytest.raises(NotYet, match="the trace of clip on mul"):
        arm.settings(setting)
    trace = _trace(shrink=0.999)
    trace.save(setting.trace_file("clip"))
    settings = arm.settings(setting)
    # -ln 0.999 at a learning rate of 1e-3 is 1.0005; three digits are set.
    assert settings["optimizer.group_decay"] == tuple((group, 1.0) for group in GROUPS)
    assert removal(trace, "mlp", 1e-3) == pytest.approx(-log(0.999) / 1e-3)
    assert removal(trace, "embed", 1e-3) == pytest.approx(0.0)
    # Another machine has no trace, and reads what was measured here.
    elsewhere = Setting("mul", tmp_path / "nothing", study.out)
    assert arm.settings(elsewhere) == settings


def test_one_shrink_has_the_joint_norm_of_the_clipped_run(study):
    setting = Setting("mul", study.runs, study.out)
    free, clip = _trace(shrink=1.0), _trace(shrink=0.5)
    free.save(setting.trace_file("free"))
    clip.save(setting.trace_file("clip"))
    settings = families()["one-shot"].arms()["shrink-at-100"].settings(setting)
    assert settings == {"norms.shrink_step": 100, "norms.shrink_factor": 0.5}


def test_a_rate_of_the_embeddings_is_the_inverse_of_their_scale():
    setting = Setting("mul", *[None] * 2)  # type: ignore[arg-type]
    arms = families()["start"].arms()
    scaled, faster = (arms[name].settings(setting) for name in ("scale-embeddings", "rate-embeddings"))
    factor = scaled["norms.shrink_factor"]
    assert factor == pytest.approx(2 / np.sqrt(128))
    assert dict(faster["optimizer.group_rate"]) == pytest.approx({"embed": 1 / factor, "pos_embed": 1 / factor})


def test_scaled_embeddings_and_a_faster_rate_are_one_function(tmp_path):
    """With the published residual the first LayerNorm follows, and Lion's steps do not see the gradient's size."""
    tiny = {"modulus": 13, "d_model": 32, "n_heads": 2, "d_mlp": 64, "dtype": "float64"}
    setting = Setting("mul", tmp_path, tmp_path)
    size = trained.TaskSize(10, tiny)
    runs = {}
    for name in ("scale-embeddings", "rate-embeddings"):
        settings = families()["start"].arms()[name].settings(setting)
        config = override(arm_config("mul", name, 0, size, settings), {"batch_size": 40, "margins_every": None})
        runs[name] = train(config, tmp_path / name, progress=False)
    one, other = (run.weights(-1) for run in runs.values())
    factor = families()["start"].arms()["scale-embeddings"].settings(setting)["norms.shrink_factor"]
    for name in one:
        scale = factor if name in ("embed.W_E", "pos_embed.W_pos") else 1.0
        if one[name].is_floating_point() and one[name].numel() > 1:
            # LayerNorm's epsilon is not scaled with the embeddings, and flips the sign of a few small gradients.
            alike = np.isclose(one[name], scale * other[name], rtol=0, atol=1e-6)
            assert alike.mean() > 0.95, name
    plain = open_run(tmp_path / "scale-embeddings").weights(0)
    assert not np.isclose(one["embed.W_E"], plain["embed.W_E"], rtol=0, atol=1e-3).mean() > 0.5


def test_every_arm_can_be_run_and_none_repeats_another(study):
    for of in ("clip", "free"):
        for task in BUDGETS:
            _trace(BUDGETS[task]).save(Setting(task, study.runs, study.out).trace_file(of))
    configs = [run.job.config for run in study.arms("mul") if run.job.config.seed == 0]
    # 'fraction' is published at one half, and every other arm differs from all by more than its name.
    known: dict[str, str] = {}
    for config in configs:
        same = known.setdefault(digest(override(config, {"arm": "x"})), config.arm)
        assert same == config.arm


def test_families_are_found_by_name_and_an_arm_has_one_owner():
    assert list(families())[:3] == ["ends", "replay", "sphere"]
    for family in families().values():
        assert family.asks.endswith("?")
        for name, arm in family.arms().items():
            owners = {one for other in families().values() for one in other.arms()}
            assert {arm.against, arm.baseline} <= owners, name
    before = list(declared._declared)
    try:

        @declare_family(number=99, name="mine", asks="Is it mine?")
        def mine() -> dict[str, Arm]:
            return {"clip": Arm("again", lambda setting: {})}

        with pytest.raises(ConfigError, match="'clip' is declared by ends and by mine"):
            families()
    finally:
        declared._declared[:] = before


# --- rows and summary --------------------------------------------------------------------------------------------


def test_a_trace_counts_by_the_name_of_its_file_and_not_by_its_digest():
    def config(reference: str, arm: str = "replay-tensor"):
        return override(base("mul", PUBLISHED.sizes["mul"]), {"arm": arm, "norms.replay": reference})

    here, there = (f"{folder}/traces/mul-clip.safetensors@{digit * 64}" for folder, digit in (("a", "0"), ("b", "1")))
    assert digest(config(here)) == digest(config(there))
    assert digest(config(here)) != digest(config(here.replace("mul-clip", "mul-free")))


def _rows(**times):
    parts = {name: family.name for family in families().values() for name in family.arms()}
    rows = [
        {
            "part": parts[arm.replace("_", "-")], "run": f"{arm}-{seed}", "task": "mul", "arm": arm.replace("_", "-"),
            "seed": seed, "status": "finished", "memorisation_step": 100, "grok_step": time,
            "sustained_grok_step": time, "delay": None, "budget": 3000, "observed": 3000, "sustained_observed": 3000,
            "cadence": 10, "signal_at_grok": 1.0, "memory_at_grok": 2.0, "noise_val_at_grok": np.nan,
            "norm_at_end": 1.5, "row_spread_at_end": 0.2,
        }
        for arm, of_arm in times.items()
        for seed, time in enumerate(of_arm)
    ]  # fmt: skip
    return pd.DataFrame(rows).astype(dict.fromkeys(ledger.WHOLE, "Int64"))


def test_a_share_is_that_of_geometric_means_and_a_verdict_that_of_the_clip_under_the_same_circumstances():
    times = {"clip": [400, 500], "free": [1600, 2000], "sphere_1": [800, 1000], "relu_clip": [300, 300]}
    table = summary(_rows(**times, relu_sphere=[600, 600], replay_all=[None, 500])).set_index("arm")
    assert table.loc["clip", "verdict"] == "reference"
    assert table.loc["free", "ratio"] == pytest.approx(4.0)
    assert table.loc["sphere-1", "share"] == pytest.approx(0.5)  # ln 2 of ln 4
    assert table.loc["relu-sphere", "ratio"] == pytest.approx(2.0)
    assert table.loc["relu-sphere", "against"] == "relu-clip"
    assert np.isnan(table.loc["relu-sphere", "share"])  # relu-free has no run
    assert np.isnan(table.loc["replay-all", "share"])
    assert table.loc["replay-all", "statement"].startswith("at least")
    assert table.loc["replay-all", "ratio"] == pytest.approx(exp(np.mean([log(3000 / 400), 0.0])))
    assert (table.loc["sphere-1", "signal_at_grok"], table.loc["sphere-1", "memory_at_grok"]) == (1.0, 2.0)


def test_where_there_is_no_rule_the_time_is_that_of_memorising():
    rows = _rows(random_clip=[None, None], random_free=[None, None])
    rows["memorisation_step"] = pd.array([600, 500, 400, 400], dtype="Int64")
    table = summary(rows).set_index("arm")
    assert table["reached"].tolist() == [2, 2]
    assert table.loc["random-free", "ratio"] == pytest.approx(exp(np.mean(np.log([400 / 600, 400 / 500]))))
    assert table.loc["random-free", "event"] == "memorisation"


def test_a_censored_reference_tells_nothing_and_says_so():
    table = summary(_rows(clip=[400, None], sphere_1=[300, 300])).set_index("arm")
    assert table.loc["sphere-1", "verdict"] == "cannot tell"
    assert table.loc["sphere-1", "statement"] == "clip did not grok within its budget on seed 1"
    apart = summary(_rows(clip=[400], sphere_1=[300]).assign(seed=[0, 1])).set_index("arm")
    assert apart.loc["sphere-1", "statement"] == "no seed has ended in clip too"


# --- from sweep to tables ----------------------------------------------------------------------------------------

FEW = ("replay", "relative-step", "decay")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The small scale of some families, from traces to tables."""
    folder = tmp_path_factory.mktemp("why-clipping")
    request = Request(scale="small", only=FEW, runs=folder / "runs", out=folder / "out", workers=1, seeds=(0,))
    with forking_workers():
        outcome = experiment("why-clipping").start(request)
    return request, outcome


@pytest.mark.timeout(900)
def test_every_arm_has_its_row(finished):
    request, outcome = finished
    assert not outcome.failed
    rows = pd.read_csv(request.out / "runs.csv")
    table = pd.read_csv(request.out / "mechanism.csv")
    chosen = {name for family in ("ends", *FEW) for name in families()[family].arms()}
    assert set(table.loc[table["task"] == "mul", "arm"]) == chosen
    on_s5 = {"clip", "free"} | (set(CARRIERS) & chosen)
    assert set(table.loc[table["task"] == "s5", "arm"]) == on_s5
    # Tuning: two rates on two seeds.
    assert len(rows) == len(chosen) + len(on_s5) + 4
    assert outcome.lines[0].startswith(f"{len(rows)} of ")
    assert {"signal_at_end", "memory_at_end", "noise_val_at_end", "val_loss"} <= set(rows)
    assert rows["signal_at_end"].notna().all()


def test_what_follows_a_trace_followed_that_of_its_task(finished):
    request, _ = finished
    run = open_run(request.runs / "replay-s5-replay-tensor-seed0")
    reference = run.config.norms.replay
    assert "s5-clip.safetensors@" in reference
    assert len(read_trace("norms.replay", reference)) == run.config.training.steps


@pytest.fixture(scope="module")
def closely(tmp_path_factory) -> Study:
    """The two ends at the small scale, trained to be looked at."""
    folder = tmp_path_factory.mktemp("closely")
    study = Study(SMALL, folder / "runs", folder / "out")
    with forking_workers():
        run_sweep(Sweep("closely", tuple(one.job for one in study.watched())), study.runs, 1)
    return study


def test_what_is_looked_at_closely_is_read_from_its_checkpoints(closely, tmp_path):
    tables = watched.tables(closely.watched(), closely.runs, closely.out)
    runs = tables["milestones"]
    assert sorted(zip(runs["task"], runs["arm"], strict=True)) == [
        (task, arm) for task in ("mul", "s5") for arm in ("clip", "free")
    ]
    run = open_run(closely.runs / "watched-mul-clip-seed0")
    of_run = where(tables["margins"], run=run.name)
    assert of_run["step"].tolist() == run.steps == [0, 20, 40]
    np.testing.assert_allclose(of_run["signal"], run_all(run, only=["margins"])["margins"]["signal"])
    regime = where(tables["activation_regime"], run=run.name)[["linear", "quadratic", "rest"]]
    np.testing.assert_allclose(regime.sum(axis=1), 1.0)
    # Another machine, which has the tables and no run.
    tmp_path.joinpath("out").mkdir()
    for name, table in tables.items():
        table.to_csv(tmp_path / "out" / watched.file_of(name), index=False)
    elsewhere = watched.tables(Study(SMALL, tmp_path / "runs", tmp_path / "out").watched(), tmp_path, tmp_path / "out")
    for name, table in tables.items():
        pd.testing.assert_frame_equal(elsewhere[name], table, check_dtype=False)
    # And the page's figures are made of them.
    drawn = [*page.watched_plates(tables), *page.regime_plates(tables)]
    assert [plate.name for plate in drawn] == ["signal-memory-noise", "activation-regime"]
    assert [ax.get_title(loc="left") for ax in drawn[0].figure.axes if ax.get_title(loc="left")] == ["x · y", "S5"]
    assert page.watched_plates({}) == page.regime_plates({}) == ()


def test_the_norm_at_the_end_is_that_of_the_decoder_over_its_start(finished):
    request, _ = finished
    run = open_run(request.runs / "ends-mul-free-seed0")
    norms = []
    for step in (0, -1):
        weights = run.weights(step)
        decoder = [value for name, value in weights.items() if name.split(".")[0] not in ("embed", "unembed")]
        decoder = [value for value in decoder if value.is_floating_point() and "mask" not in str(value.dtype)]
        norms.append(
            np.sqrt(sum(float(np.square(value.double().numpy()).sum()) for value in decoder if value.isfinite().all()))
        )
    assert milestones_of(run)["norm_at_end"] == pytest.approx(norms[1] / norms[0], rel=1e-12)


def test_the_spread_of_rows_is_that_of_the_matrix_whose_rows_differ_most(finished):
    """Rows as `nn.Linear` and `nn.Embedding` have them: what one output reads, or one position."""
    run = open_run(finished[0].runs / "ends-mul-free-seed0")
    over = {"W_Q": (1,), "W_K": (1,), "W_V": (1,), "W_O": (0, 1), "W_in": (0,), "W_out": (0,), "W_pos": (1,)}
    spreads = []
    for name, value in run.weights(-1).items():
        if (dims := over.get(name.split(".")[-1])) is not None:
            norms = np.sqrt(np.square(value.double().numpy()).sum(dims))
            spreads.append(norms.std() / norms.mean())
    assert len(spreads) > 6
    assert milestones_of(run)["row_spread_at_end"] == pytest.approx(max(spreads), rel=1e-12)


def test_what_is_tested_gets_as_many_seeds_as_its_verdict_needs(study):
    assert study.more() == []  # nothing is known of the spread yet
    chosen = study.arms("mul", stage="decisive")
    assert len(chosen) == (1 + len(HELD)) * 5
    *_, last = HELD
    chosen = [run for run in chosen if run.arm != last]  # one of them has not begun
    # Of ln(T / T_clip) the standard deviation is 0.2 for the arm that is tested, and more for the others.
    apart = np.array([-0.3, -0.1, 0.0, 0.1, 0.3])
    apart *= 0.2 / apart.std(ddof=1)
    rows = []
    for run in chosen:
        seed = run.job.config.seed
        times = 2 if run.arm in HELD and run.arm != TESTED else 1 if run.arm == TESTED else 0
        time = round(1000 * exp(times * apart[seed]))
        rows.append(
            dict.fromkeys(ledger.WHOLE, time)
            | {"run": run.job.name, "part": run.part, "task": "mul", "arm": run.arm, "seed": seed, "config": run.key[1]}
            | {"status": "finished", "norm_at_end": 1.0}
            | dict.fromkeys(("signal_at_grok", "memory_at_grok", "noise_val_at_grok"), 1.0)
        )
    study.out.mkdir(parents=True)
    pd.DataFrame(rows).to_csv(study.out / ledger.FILE, index=False)
    more = study.more()
    needed = seeds_needed(0.2)
    assert 5 < needed < 40
    assert {(run.task, run.arm) for run in more} == {("mul", arm) for arm in ("clip", TESTED)}
    assert {run.job.config.seed for run in more} == set(range(5, needed))
    # The same config but for its seed, so that pairs of one seed share weights, split and order.
    clip = next(run.job.config for run in chosen if run.arm == "clip")
    assert all(differences(clip, run.job.config).keys() == {"seed"} for run in more if run.arm == "clip")
    assert not {run.job.name for run in more} & {run.job.name for run in study.arms()}


def test_only_the_ends_and_what_decides_have_all_seeds_on_the_other_tasks(study):
    """Five: a lower end of what is censored takes as many."""
    arms = ("clip", "free", "sphere-rows", "relative-step")
    seeds = {arm: {run.job.config.seed for run in study.arms("s5") if run.arm == arm} for arm in arms}
    every = {0, 1, 2, 3, 4}
    assert seeds == {"clip": every, "free": every, "sphere-rows": every, "relative-step": {0, 1, 2}}


def test_milestones_are_those_of_the_run(finished):
    request, _ = finished
    run = open_run(request.runs / "ends-mul-clip-seed0")
    found, recorded = milestones_of(run), run.recorded_margins
    last = recorded.loc[(recorded["stage"] == "after") & (recorded["step"] == recorded["step"].max())]
    assert found["signal_at_end"] == last["signal"].iloc[0]
    assert np.isnan(found["signal_at_grok"]) == (run.sustained_grok_step is None)
    assert timing_table(run)["sustained_grok_step"].isna().iloc[0] == (run.sustained_grok_step is None)


def test_another_machine_goes_on_from_the_rows(finished, tmp_path, monkeypatch):
    request, _ = finished
    out = tmp_path / "out"
    shutil.copytree(request.out, out)
    monkeypatch.setattr(ledger, "run_sweep", lambda *_, **__: pytest.fail("a run is trained again"))
    monkeypatch.setattr(
        "grokscope.experiments.why_clipping.pipeline.run_sweep",
        lambda *_, **__: pytest.fail("a trace is recorded again"),
    )
    # A run of another seed of an arm that is not asked for: its row must survive.
    rows = pd.read_csv(out / "runs.csv")
    more = where(rows, arm="clip", task="mul").assign(run="ends-mul-clip-seed7", seed=7)
    pd.concat([rows, more]).to_csv(out / "runs.csv", index=False)
    experiment("why-clipping").start(replace(request, runs=tmp_path / "none", out=out, training=False))
    assert pd.read_csv(out / "runs.csv")["run"].tolist()[-1] == "ends-mul-clip-seed7"
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    elsewhere = Request(scale="small", only=FEW[:1], runs=tmp_path / "runs", out=out, workers=1, seeds=(0,))
    experiment("why-clipping").start(elsewhere)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_rows_of_before_something_was_recorded_are_read_without_it(finished, tmp_path):
    request, _ = finished
    out = tmp_path / "out"
    shutil.copytree(request.out, out)
    rows = pd.read_csv(out / "runs.csv").drop(columns="row_spread_at_end")
    rows.to_csv(out / "runs.csv", index=False)
    experiment("why-clipping").start(replace(request, runs=tmp_path / "none", out=out, training=False))
    table = pd.read_csv(out / "mechanism.csv")
    assert table["row_spread_at_end"].isna().all()
    assert table["norm_at_end"].notna().any()


def test_names_that_there_are_not_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"why-clipping has no family 'replays': did you mean replay\?"):
        experiment("why-clipping").start(Request(only=("replays",), runs=tmp_path, out=tmp_path))
    with pytest.raises(ValueError, match=r"no run of why-clipping .* has ended"):
        experiment("why-clipping").start(Request(scale="small", runs=tmp_path, out=tmp_path / "out", training=False))


def test_the_groups_of_the_decay_are_the_decoder():
    names = tuple(parameter_shapes(preset("mul-lion-clip").model, build_task(preset("mul-lion-clip").task)))
    assert in_scope(names, GROUPS) == in_scope(names, ("decoder",))
