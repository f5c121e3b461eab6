"""Published tables as experiments: each runs at its smallest size, goes on where it was, and writes its tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grokscope.analysis.timing import medians
from grokscope.cli import main
from grokscope.config import ConfigError, override
from grokscope.experiments import Experiment, Outcome, Request, experiments
from grokscope.experiments import experiment as registry
from grokscope.experiments import table as tables
from grokscope.experiments.accelerators import ARMS, CADENCE
from grokscope.experiments.published import accelerators, delay_law, max_norm
from grokscope.experiments.table import TINY, TINY_TASKS, Plan, Publication, Size, table_experiment
from grokscope.runs import Run, open_run
from grokscope.sweeps import Job, load_sweep
from tests.analysis.timing_tables import simulated

pytestmark = [
    pytest.mark.timeout(900),  # seconds of training, and whatever else the machine does
    pytest.mark.usefixtures("light_workers"),
]

ROOT = Path(__file__).parents[2]
TABLES = ROOT / "reports" / "tables"
WRITTEN = {
    "accelerators": ("accelerators", "accelerators-runs"),
    "delay-law": ("delay-law", "delay-law-fit"),
    "max-norm": ("max-norm-mul", "max-norm-mul-published"),
    "operations": ("operations",),
    "presets": ("presets",),
    "readings": ("readings-at-grok", "accuracy-rules", "accuracy-by-margins"),
    "records": ("records", "records-runs"),
    "s5-irreps": ("s5-irreps",),
    "which-tensor": ("which-tensor",),
}
DRAWN = ("accelerators", "accuracy-by-margins", "delay-law", "max-norm-mul")
"""Tables that are drawn."""
PLANNED = {
    "accelerators": 2 * len(ARMS),
    "delay-law": 2 + 2 * 2,
    "max-norm": 5,
    "operations": 2,
    "presets": 2,
    "readings": 4,
    # Nine candidates on two tuning seeds, the best two on three more, and the best of those and Scion on one.
    "records": 9 * 2 + 2 * 3 + 2,
    "s5-irreps": 1,
    "which-tensor": 3,
}
"""Runs at the smallest size, on the seeds and the parts below."""
# Tables that a benchmark writes, and which.
MEASURED = {"faults": "faults", "step-down-levels": "step_down_levels"}
LEAST = {
    "delay-law": ["--seeds", "0", "1"],
    "max-norm": ["--seeds", "0", "--only", "lion"],
    "presets": ["--seeds", "0"],
    "records": ["--seeds", "0", "--only", "mul"],
    "s5-irreps": ["--seeds", "0"],
    "which-tensor": ["--seeds", "0"],
}


def run(name: str, folder: Path, *words: str) -> int:
    where = ["--runs", str(folder / "runs"), "--out", str(folder / "out"), "--workers", "1"]
    return main(["experiment", name, "--scale", "small", *where, *LEAST.get(name, []), *words])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_table_of_the_readme_has_its_experiment():
    assert set(WRITTEN) | {"why-clipping", "published-tables"} == set(experiments())  # those write pages
    committed = {path.stem for path in TABLES.glob("*.csv")} - {"demo-learning-curves", *MEASURED}
    assert committed == {name for names in WRITTEN.values() for name in names}
    readme = (ROOT / "reports" / "README.md").read_text()
    for name in experiments():
        assert f"grokscope experiment {name}" in " ".join(readme.split())
    for command in MEASURED.values():
        assert f"python -m benchmarks.{command}" in readme


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.usefixtures("light_report")  # figures of such runs are drawn in tests/figures and tests/report
def test_it_runs_at_its_smallest_size_and_again_without_training(name, tmp_path, monkeypatch, capsys):
    assert run(name, tmp_path) == 0
    told = capsys.readouterr().out
    assert f"{PLANNED[name]} of {PLANNED[name]} runs have ended" in told
    for table in WRITTEN[name]:
        made, committed = (pd.read_csv(folder / f"{table}.csv") for folder in (tmp_path / "out", TABLES))
        assert list(made.columns) == list(committed.columns)
        assert len(made)
        assert {".csv", ".png", ".pdf"} >= {path.suffix for path in (tmp_path / "out").glob(f"{table}.*")}
        assert (tmp_path / "out" / f"{table}.png").exists() == (table in DRAWN)
    assert (tmp_path / "out" / "s5" / "index.html").exists() == (name == "s5-irreps")

    class Nothing:
        def __init__(self, *_: object) -> None:
            raise AssertionError("a worker was started")

    monkeypatch.setattr("grokscope.sweeps.local.WorkerProcess", Nothing)
    before = contents(tmp_path / "out")
    assert run(name, tmp_path) == 0
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("name", WRITTEN)
def test_without_runs_nothing_is_written_and_it_is_said_why(name, tmp_path, capsys):
    assert run(name, tmp_path, "--report-only") == 2
    assert not (tmp_path / "out").exists()
    error = capsys.readouterr().err
    assert "0 control runs" in error if name == "delay-law" else "has ended: train some" in error


def test_the_list_has_every_experiment_with_what_it_asks(capsys):
    for words in (["experiment"], ["experiment", "--list"]):
        assert main(words) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split("\t")[0] for line in lines[1:]] == list(experiments())
        for line, one in zip(lines[1:], experiments().values(), strict=True):
            assert one.asks in line


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["max-norms"], "there is no experiment 'max-norms': did you mean max-norm?"),
        (["max-norm", "--only", "lions"], "max-norm has no part 'lions': did you mean lion?"),
        (["delay-law", "--only", "inf"], "delay-law has no part 'inf'"),
        (["presets", "--only", "mul-lion-clips"], "presets has no part 'mul-lion-clips': did you mean mul-lion-clip?"),
        (["s5-irreps", "--only", "sign"], "s5-irreps has no part 'sign': it is not made of parts"),
    ],
)
def test_names_that_are_not_accepted_are_told_with_those_that_are(words, error, capsys):
    assert main(["experiment", *words]) == 2
    assert error in capsys.readouterr().err


def test_the_sweep_file_of_operations_trains_what_the_experiment_does():
    from grokscope.experiments.published.operations import OPERATIONS, config

    jobs = load_sweep(ROOT / "sweeps" / "operations.toml").jobs
    wanted = [override(config(operation, 0), {"arm": "any"}) for operation in OPERATIONS]
    assert [override(job.config, {"arm": "any"}) for job in jobs] == wanted
    assert len(wanted) == len(set(wanted)) == 20


def test_runs_of_other_settings_are_not_overwritten(tmp_path, capsys):
    assert run("presets", tmp_path, "--only", "mul-lion-clip") == 0
    capsys.readouterr()
    words = ["experiment", "presets", "--only", "mul-lion-clip", "--seeds", "0", "--runs", str(tmp_path / "runs")]
    assert main(words) == 2
    assert "mul-lion-clip-seed0 holds a run of other settings" in capsys.readouterr().err


def plan(experiment_size: Size, folder: Path, **changes: object) -> Plan:
    return replace(Plan(experiment_size, "published", experiment_size.seeds, experiment_size.parts, folder), **changes)


PUBLISHED = Size(seeds=(0, 1, 2, 3, 4), parts=("lion", "adam", "signsgd"))


def test_the_sweep_file_trains_the_runs_of_the_max_norm_table(tmp_path):
    (jobs,) = max_norm.rounds(plan(PUBLISHED, tmp_path))
    assert [(job.name, job.config) for job in jobs] == [
        (job.name, job.config) for job in load_sweep(ROOT / "sweeps" / "max-norm-mul.toml").jobs
    ]


def test_published_runs_go_to_the_directories_that_they_have_had(tmp_path):
    from grokscope.experiments.published import presets, s5_irreps, which_tensor

    def names(module, *parts: str) -> list[str]:
        return [job.name for job in next(module.rounds(plan(Size(seeds=(3,), parts=parts), tmp_path)))]

    assert names(presets, "mul-lion-clip", "s5-lion-clip") == ["mul-lion-clip-seed3", "s5-lion-clip-seed3"]
    assert names(which_tensor, "none", "clip-gains") == ["none-seed3", "clip-gains-seed3"]
    assert names(s5_irreps) == ["s5-lion-clip-seed3"]
    assert names(delay_law, "0.80") == ["control-seed3"]
    assert names(accelerators, "mul")[:2] == ["mul-adam-l2-seed3", "mul-adamw-seed3"]


def test_a_method_that_most_seeds_never_grok_with_is_not_trained_on_another(tmp_path, monkeypatch):
    class Ended:
        def __init__(self, job: Job) -> None:
            self.config = job.config
            self.grok_step = None if job.config.arm in ("adamw", "lion-clip") else 500

    monkeypatch.setattr(Plan, "ended", lambda self, jobs: list(map(Ended, jobs)))
    of_seeds = list(accelerators.rounds(plan(Size(seeds=(0, 1, 2), parts=("mul",)), tmp_path)))
    assert [len(jobs) for jobs in of_seeds] == [2 * len(ARMS), 2 * len(ARMS), 2 * len(ARMS) - 2]
    assert {job.config.arm for job in of_seeds[2]}.isdisjoint({"adamw", "lion-clip"})


def test_the_committed_summary_is_that_of_the_committed_runs():
    # An independent record: the runs as they were written, summarised anew with the costs that the table names.
    runs = pd.read_csv(TABLES / "accelerators-runs.csv")
    committed = pd.read_csv(TABLES / "accelerators.csv")
    labels = committed["arm"] + committed["clip"].map({True: "-clip", False: ""})
    cost = dict(zip(labels, committed["ms_per_step"], strict=True))
    times = runs.assign(
        # A run ends when the five evaluations after its grok have sustained it.
        observed=(runs["sustained_grok_step"] + 5 * CADENCE).fillna(runs["budget"]),
        cadence=CADENCE,
        grok_gradient_evaluations=runs["gradient_evaluations"],
        observed_gradient_evaluations=1.5 * runs["budget"],
        budget_gradient_evaluations=1.5 * runs["budget"],
    )
    made = accelerators.summary(times, cost)
    without = made.drop(columns=["seconds", "ms_per_step"])
    pd.testing.assert_frame_equal(without, committed[list(without)], check_dtype=False)
    # Costs are committed to a tenth of a millisecond and seconds to a tenth: each is off by half of that at most.
    off = 0.05 / committed["ms_per_step"].min()
    np.testing.assert_allclose(made["seconds"], committed["seconds"], rtol=off, atol=0.1)
    lines = accelerators.readme_table(runs, committed, "mul")
    readme = (ROOT / "reports" / "README.md").read_text().splitlines()
    assert set(lines) <= set(readme)


def test_medians_over_seeds_count_a_run_without_a_grok_as_later_than_all():
    # numpy's median with infinity for what was not seen, which the tables were first made with.
    for steps in ([300, 500, float("inf")], [300, float("inf")], [300, 500, float("inf"), float("inf")], [200, 400]):
        of_arm = simulated("one", pd.Series(steps).to_numpy(), budget=6000)
        median = medians(of_arm)["median"].iloc[0]
        ordinary = float(pd.Series(steps).median())
        assert median == ordinary or (pd.isna(median) and ordinary == float("inf"))


TOY = Size(seeds=(0,), parts=("lion", "adam"), settings=TINY | {"training.steps": 20}, tasks=TINY_TASKS)


@pytest.fixture
def declared(monkeypatch):
    """What a test declares is not there for the next."""
    experiments()
    monkeypatch.setattr(registry, "_declared", list(registry._declared))


def test_a_module_of_ones_own_is_an_experiment_and_what_failed_is_named(declared, tmp_path, monkeypatch, capsys):
    from grokscope.config import preset

    def rounds(plan: Plan):
        yield [
            Job(plan.sized(preset(f"mul-{part}-clip", seed=seed)), f"{part}-seed{seed}")
            for part in plan.parts
            for seed in plan.seeds
        ]

    @table_experiment(name="toy", asks="Does a toy train?", published=TOY, small=TOY, rounds=rounds)
    def toy(plan: Plan, runs: list[Run]) -> Publication:
        table = pd.DataFrame([{"run": run.name, "steps": run.final_step} for run in runs])
        return Publication({"toy": table}, shown=table)

    assert isinstance(toy, Experiment)
    assert experiments()["toy"] is toy
    where = ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert main(["experiment", "toy", *where]) == 0
    assert pd.read_csv(tmp_path / "out" / "toy.csv")["steps"].tolist() == [20, 20]
    assert open_run(tmp_path / "runs" / "adam-seed0").config.optimizer.name == "adam"

    class Failed:
        name, standing = "lion-seed7", "failed"

    monkeypatch.setattr(tables, "run_sweep", lambda *_, **__: [Failed()])
    assert main(["experiment", "toy", *where, "--seeds", "0", "7"]) == 2
    told = capsys.readouterr().out
    assert "2 of 4 runs have ended" in told
    assert "not trained, or failed: lion (seed 7), adam (seed 7)" in told


def test_two_experiments_of_one_name_are_refused(declared):
    def start(request: Request) -> Outcome:
        raise NotImplementedError

    registry.declare_experiment(Experiment("presets", "Something else?", tuple, start))
    with pytest.raises(ConfigError, match="two experiments are called 'presets'"):
        experiments()
