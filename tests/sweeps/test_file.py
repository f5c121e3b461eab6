"""What a sweep file means, and what it is told when it means nothing."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from grokscope.config import SECTIONS, ConfigError, override, preset
from grokscope.sweeps import Job, Sweep, file, load_sweep
from grokscope.tasks import build_task
from grokscope.training import Trainer

ROOT = Path(__file__).parents[2]


def test_a_file_expands_to_arms_times_grid_times_seeds(tmp_path):
    path = tmp_path / "file.toml"
    path.write_text(
        """
        preset = "mul-lion-clip"
        seeds = [3, 5]
        [settings]
        training.steps = 70
        "lr" = 1e-4
        [arms.plain]
        [arms.other]
        preset = "mul-adam-clip"
        lr = 0.5
        [grid]
        max_norm = [1, 2.5]
        model.n_layers = [1, 2]
        """
    )
    expected = []
    for seed, (arm, base, lr), norm, layers in product(
        (3, 5), (("plain", "mul-lion-clip", 1e-4), ("other", "mul-adam-clip", 0.5)), (1, 2.5), (1, 2)
    ):
        changes = {"training.steps": 70, "optimizer.lr": lr, "norms.max_norm": norm, "model.n_layers": layers}
        name = f"{arm}-max_norm-{norm}-n_layers-{layers}"
        expected.append(preset(base, **changes, seed=seed, arm=name))
    sweep = load_sweep(path)
    assert [job.config for job in sweep.jobs] == expected
    assert sweep.out == Path("checkpoints/file")
    assert sweep.jobs[0].name == "mul-plain-max_norm-1-n_layers-1-seed3"


def test_the_published_sweep_over_bounds_is_the_one_that_was_trained():
    expected = {
        preset(
            f"mul-{name}-clip", seed=seed, max_norm=bound, steps=8000, stop_evaluations=0, schedule="ends",
            record_every=100, arm=f"{name}-max_norm-{bound:g}",
        )
        for name, bound, seed in product(("lion", "adam", "signsgd"), (1, 1.5, 2, 2.5, 3), range(5))
    }  # fmt: skip
    sweep = load_sweep(ROOT / "sweeps/max-norm-mul.toml")
    assert len(sweep.jobs) == 75
    assert {job.config for job in sweep.jobs} == expected
    assert sweep.out == Path("checkpoints/max-norm-mul")


@pytest.mark.parametrize("path", sorted((ROOT / "sweeps").glob("*.toml")), ids=lambda path: path.stem)
def test_every_sweep_of_the_repository_can_be_read(path):
    assert load_sweep(path).jobs


def test_without_arms_and_grid_a_run_keeps_the_arm_of_its_preset(tmp_path):
    path = tmp_path / "one.toml"
    path.write_text('preset = "mul-lion-clip"\nseeds = [0]')
    assert [job.config for job in load_sweep(path).jobs] == [preset("mul-lion-clip")]


def test_arms_of_one_seed_share_initial_weights_split_and_batch_order(sweep_file):
    path = sweep_file("seeds = [0, 1]", '[arms.a]\n[arms.b]\noptimizer.name = "adam"\n[grid]\nlr = [1e-3, 1e-4]')
    for seed in (0, 1):
        trainers = [
            Trainer(job.config, build_task(job.config.task))
            for job in load_sweep(path).jobs
            if job.config.seed == seed
        ]  # fmt: skip
        first, *others = trainers
        assert len(others) == 3
        order = [first.batches.next().tolist() for _ in range(6)]
        for other in others:
            assert all(other.weights[name].equal(value) for name, value in first.weights.items())
            assert other.train.equal(first.train)
            assert [other.batches.next().tolist() for _ in range(6)] == order


def test_the_word_none_means_none_where_a_setting_can_be_left_out(sweep_file):
    jobs = load_sweep(sweep_file(rest='[grid]\nmax_norm = [1, "none"]\ninit_rows = ["none"]')).jobs
    assert [job.config.norms.max_norm for job in jobs] == [1, None]
    assert {job.config.norms.init_rows for job in jobs} == {"none"}
    assert jobs[1].config.arm == "custom-max_norm-none-init_rows-none"


def test_seeds_that_are_not_dense_keep_first_and_last_checkpoints_alone(sweep_file):
    jobs = load_sweep(sweep_file("seeds = [0, 1, 2]", "[disk]\ndense_seeds = [1]")).jobs
    assert [job.config.checkpoints.schedule for job in jobs] == ["ends", "every", "ends"]


def test_resources_of_a_run_may_be_a_fraction_of_a_device(sweep_file):
    resources = load_sweep(sweep_file(rest="[ray]\nnum_gpus = 0.25")).resources
    assert (resources.num_cpus, resources.num_gpus) == (None, 0.25)


@pytest.mark.parametrize(
    ("head", "rest", "message"),
    [
        ("", "", r"seeds is missing: use a list"),
        ("seeds = []", "", r"seeds = \[\] is not accepted"),
        ("seeds = 3", "", r"seeds = 3 is not accepted: use a list"),
        ("seeds = [1, 2, 1]", "", r"seeds names 1 twice"),
        ("seeds = [1.5]", "", r"seeds = 1.5 is not accepted: use an integer"),
        ("seeds = [0]\npreset = 'mul-lion-clop'", "", r"preset: there is no preset 'mul-lion-clop'; nearest: .*lion"),
        ("seeds = [0]\npreset = 7", "", r"preset = 7 is not accepted"),
        ("seeds = [0]\nsedes = [1]", "", r"the file has no 'sedes': did you mean seeds"),
        ("seeds = [0]\narms = 3", "", r"\[arms\] = 3 is not accepted: use a table"),
        ("seeds = [0]\narms.a = 3", "", r"\[arms.a\] = 3 is not accepted: use a table"),
        ("seeds = [0]", "[arms]", r"\[arms\] is empty"),
        ("seeds = [0]", "[arms.a]\nmax_nrom = 1", r"\[arms.a\]: there is no setting 'max_nrom'; nearest: norms"),
        ("seeds = [0]", "[arms.a]\nseed = 1", r"\[arms.a\] seed is not accepted: use the list `seeds`"),
        ("seeds = [0]", "[arms.a]\nlr = 'fast'", r"\[arms.a\] lr: optimizer.lr = 'fast' is not accepted"),
        ("seeds = [0]", "[arms.a]\nlr = 1\noptimizer.lr = 2", r"\[arms.a\]: setting optimizer.lr is given twice"),
        ("seeds = [0]", "[arms.a]\npreset = 'x'", r"\[arms.a\] preset: there is no preset 'x'"),
        ("seeds = [0]", "[grid]\nmax_norm = 1", r"\[grid\] max_norm = 1 is not accepted: use a list"),
        ("seeds = [0]", "[grid]\nmax_norm = []", r"\[grid\] max_norm = \[\] is not accepted"),
        ("seeds = [0]", "[grid]\nmax_norm = [1, 1.0]", r"\[grid\] max_norm names 1.0 twice"),
        ("seeds = [0]", "[grid]\nmax_norm = [1, -1]", r"\[grid\] max_norm: norms.max_norm = -1 is not accepted"),
        ("seeds = [0]", "[grid]\nlr = [0.1234567, 0.1234568]", r"two runs would be written to mul-p7-custom-lr-0"),
        ("seeds = [0]", "[arms.'a b']\n[arms.'a/b']", r"two runs would be written to mul-p7-a-b-seed0, of the"),
        ("seeds = [0]", "[arms.adam]\n[arms.Adam]", ".* mul-p7-adam-seed0 and mul-p7-Adam-seed0, which"),
        ("seeds = [0]", "[disk]\ndense_seeds = [7]", r"\[disk\] dense_seeds = \[7\] is not accepted"),
        ("seeds = [0]", "[disk]\ndense = [0]", r"\[disk\] has no 'dense': did you mean dense_seeds"),
        ("seeds = [0]", "[ray]\nnum_gpus = -1", r"\[ray\] num_gpus = -1 is not accepted"),
        ("seeds = [0]", "[ray]\ngpus = 1", r"\[ray\] has no 'gpus'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_told_with_its_place(sweep_file, head, rest, message):
    path = sweep_file(head, rest)
    with pytest.raises(ConfigError, match=f"tiny.toml: {message}"):
        load_sweep(path)


def test_a_file_that_is_not_there_or_no_toml_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read '.*absent.toml'"):
        load_sweep(tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_text("seeds = [")
    with pytest.raises(ConfigError, match=r"bad.toml is not TOML"):
        load_sweep(tmp_path / "bad.toml")


@pytest.mark.parametrize(("one", "other"), [("run", "RUN"), ("runs/a", "Runs/A"), ("run", "run")])
def test_jobs_made_in_python_share_no_directory_on_any_file_system(one, other):
    config = preset("mul-lion-clip")
    with pytest.raises(ConfigError, match=f"two runs would be written to {one}"):
        Sweep("two", (Job(config, one), Job(override(config, {"lr": 0.5}), other)))
    assert len(Sweep("two", (Job(config, one), Job(config, f"{other}-1"))).jobs) == 2


def test_more_runs_than_a_sweep_usually_has_are_refused_unless_they_are_meant(sweep_file, monkeypatch):
    path = sweep_file("seeds = [0, 1]", "[arms.a]\n[arms.b]\n[grid]\nlr = [1e-3, 1e-4, 1e-5]")
    monkeypatch.setattr(file, "MOST_RUNS", 11)
    with pytest.raises(ConfigError, match=r"tiny.toml: it describes 12 runs, more than 11: .*\(file, many=True"):
        load_sweep(path)
    assert len(load_sweep(path, many=True).jobs) == 12
    monkeypatch.setattr(file, "MOST_RUNS", 12)
    assert len(load_sweep(path).jobs) == 12


def test_runs_of_a_grid_share_what_is_the_same_in_them(sweep_file):
    path = sweep_file("seeds = [0, 1]", "[grid]\nlr = [1e-3, 1e-4]\nmax_norm = [1, 2, 3]\n[disk]\ndense_seeds = [0]")
    configs = [job.config for job in load_sweep(path).jobs]
    assert len(configs) == len(set(configs)) == 12
    made = {name: {id(getattr(config, name)) for config in configs} for name in SECTIONS}
    assert {name: len(sections) for name, sections in made.items()} == {
        **dict.fromkeys(SECTIONS, 1), "optimizer": 2, "norms": 3, "checkpoints": 2,
    }  # fmt: skip


def test_a_long_list_that_names_a_table_twice_is_refused(sweep_file):
    tables = ", ".join(f"[['mlp', {n}]]" for n in [*range(1, 2000), 7])
    with pytest.raises(ConfigError, match=r"\[grid\] group_rate names \[\['mlp', 7\]\] twice"):
        load_sweep(sweep_file(rest=f"[grid]\ngroup_rate = [{tables}]"))
