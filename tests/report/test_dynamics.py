"""The section on dynamics shows what the runs have: probes, branches, clamps; and nothing of what they have not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from grokscope.analysis.dynamics.probes import COLUMNS
from grokscope.figures.plates import plates
from grokscope.report import Section
from grokscope.report.draw import draw_section
from grokscope.report.plate import one_of_each_arm
from grokscope.report.sections import dynamics
from grokscope.runs import Run, create_run, open_run

FROM_CHECKPOINTS = ["phase_portrait", "logit_scale", "gradient_entropy", "effective_ranks"]


def section(runs: list[Run]) -> Section:
    declared = [plate for plate in plates().values() if plate.section == dynamics.SECTION.name]
    return draw_section(dynamics.SECTION, declared, runs)


def names(runs: list[Run]) -> list[str]:
    return [plate.name for plate in section(runs).plates]


def recorded(run: Run, clip: float = 0.1) -> Run:
    """The run, as one that recorded its training."""
    rows = [
        {**dict.fromkeys(COLUMNS[3:], 1.0), "step": step, "group": group, "parameter": "", "clip": clip}
        for step in (10, 20)
        for group in ("all", "mlp")
    ]
    run.__dict__["_probe_table"] = pd.DataFrame(rows)
    return run


def test_a_run_without_probes_is_computed_from_its_checkpoints(write_run):
    run = write_run()
    drawn = section([run])
    assert [plate.name for plate in drawn.plates] == FROM_CHECKPOINTS
    assert "whole train set" in drawn.plates[2].caption
    assert drawn.plates[2].table["step"].unique().tolist() == run.steps


def test_a_run_with_probes_has_its_steps_drawn_from_them(write_run):
    run = recorded(write_run())
    drawn = section([run])
    steps = ["clip_accounting", "update_anatomy", "angular_steps"]
    assert [plate.name for plate in drawn.plates] == [*FROM_CHECKPOINTS, *steps]
    assert "recorded step's batch" in drawn.plates[2].caption
    assert drawn.plates[2].table["step"].tolist() == [10, 20]
    assert set(drawn.plates[4].table["part"]) == {"clip"}
    assert "clip_accounting" not in names([recorded(write_run("free"), clip=0.0)])


def test_arms_of_which_one_recorded_nothing_are_compared_on_the_same_gradient(write_run):
    runs = [recorded(write_run("a", arm="a")), write_run("b", arm="b")]
    drawn = section(runs)
    assert [plate.name for plate in drawn.plates] == FROM_CHECKPOINTS
    assert set(drawn.plates[2].table["run"]) == {"a", "b"}
    assert "whole train set" in drawn.plates[2].caption


def test_branches_and_clamped_runs_have_figures_of_their_own(write_run):
    parent, child = write_run("p"), write_run("c", arm="clip on", max_norm=2.0)
    child.__dict__["parent"] = {"run": "p", "step": 100}
    drawn = section([parent, child])
    assert drawn.plates[-1].name == "branches"
    assert drawn.tables == ()
    clamp = {"norms.clamp_reference": 20.0, "norms.clamp_from_step": 50}
    clamped = [
        write_run(f"{rho}-{seed}", arm=f"rho {rho}", seed=seed, groks=groks, **{"norms.clamp_rho": rho, **clamp})
        for rho, groks in ((0.8, 200), (0.9, 300), (1.0, None))
        for seed in range(2)
    ]
    drawn = section([parent, *clamped])
    assert drawn.plates[-1].name == "delay_law"
    assert set(drawn.plates[-1].table["run"]) == {run.name for run in clamped}
    (table,) = drawn.tables
    ((fit, _, _, left_out),) = table.rows
    assert "6 runs, 2 of them censored" in fit
    assert "published" not in fit  # another task, and another step of the clamp
    assert left_out == "none"


@pytest.mark.parametrize("settings", [{"task.name": "parity", "bits": 4, "parity_bits": 2}, {"normalization": "none"}])
def test_any_task_and_a_network_without_layer_norm_have_the_section(write_run, settings):
    assert names([write_run(**settings, train_fraction=0.6)]) == FROM_CHECKPOINTS


def test_a_diverged_run_is_drawn(write_run, tmp_path):
    run = write_run()
    with create_run(tmp_path / "diverged", run.config) as writer:
        for step, scale in ((0, 1.0), (10, np.nan)):
            writer.log(
                {
                    "step": step,
                    **dict.fromkeys(("train_loss", "val_loss"), scale),
                    "train_accuracy": 0.1,
                    "val_accuracy": 0.1,
                }
            )
            writer.checkpoint(step, {k: v * scale if v.numel() > 1 else v for k, v in run.weights(0).items()})
        writer.finish("diverged", "the loss of step 11 is nan")
    assert names([open_run(tmp_path / "diverged")]) == FROM_CHECKPOINTS


def test_a_run_without_checkpoints_is_left_out(write_run, tmp_path):
    with create_run(tmp_path / "empty", write_run().config):
        pass
    drawn = section([open_run(tmp_path / "empty")])
    assert (drawn.plates, drawn.tables) == ((), ())


def test_of_each_arm_the_first_run_that_grokked_is_shown(write_run):
    runs = [
        write_run("never", arm="x", groks=None),
        write_run("first", arm="x", seed=1, groks=200),
        write_run("second", arm="x", seed=2, groks=100),
        write_run("other", arm="y", groks=None),
    ]
    assert [run.name for run in one_of_each_arm(runs)] == ["first", "other"]
