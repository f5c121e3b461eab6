"""Findings are computed from the runs, and claim no more than they show."""

from __future__ import annotations

import re

import pytest

from grokscope.analysis import norm_trajectories
from grokscope.analysis.timing import speed_up, timing_table
from grokscope.report import findings


@pytest.fixture
def clipped(write_run):
    return write_run("clipped", arm="lion-clip", max_norm=2.0, memorises=60, groks=100)


def test_a_grok_of_both_arms_gives_three_lines_with_their_ratio(write_run, clipped):
    free = write_run("free", arm="lion", memorises=40, groks=350, growth=4.0)
    lines = findings([free, clipped])
    when = f"memorises at step {clipped.memorisation_step} and groks at step {clipped.grok_step}"
    assert lines[0] == f"lion-clip (clipped at 2) {when}."
    assert lines[1].startswith(
        f"lion (unclipped) memorises at step {free.memorisation_step} and groks at step {free.grok_step}; "
    )
    ratio = float(re.search(r"groks ([\d.]+) times sooner", lines[1])[1])
    assert ratio == pytest.approx(free.grok_step / clipped.grok_step, abs=0.05)
    assert len(lines) == 3
    for run in (free, clipped):
        last = norm_trajectories(run).query("group == 'all'").iloc[-1]
        assert f"{last['norm']:,.1f} for {run.config.arm} (largest row {last['row_max']:,.2f})" in lines[2]


def test_a_budget_without_grok_gives_a_lower_bound(write_run, clipped):
    free = write_run("free", arm="lion", groks=None)
    said = findings([clipped, free])[1]
    assert "has not grokked after 600 steps (validation accuracy 0.010)" in said
    assert f"at least {600 / clipped.grok_step:.1f} times sooner" in said


def test_no_speed_up_is_claimed_where_none_was_seen(write_run, clipped):
    short = write_run("short", arm="lion", memorises=None, groks=None, steps=100, every=50)
    assert (
        "does not memorise (train accuracy 0.010) and has not grokked after 100 steps" in findings([clipped, short])[1]
    )
    assert "trained for too few steps" in findings([clipped, short])[1]
    failed = write_run("failed", arm="adam-clip", max_norm=1.0, groks=None)
    late = write_run("late", arm="lion", groks=400)
    assert 570 < late.grok_step < 600  # almost as long as the other was watched
    assert "the clipped arm was trained for too few steps" in findings([failed, late])[1]
    never = write_run("never", arm="lion", groks=None)
    assert "too few runs grokked" in findings([failed, never])[1]


def test_a_clipped_arm_that_does_not_grok_gives_a_bound_the_other_way(write_run):
    failed = write_run("failed", arm="adam-clip", max_norm=1.0, groks=None)
    free = write_run("free", arm="lion", groks=100)
    assert f"groks at least {600 / free.grok_step:.1f} times later" in findings([failed, free])[1]


def test_the_speed_up_is_the_one_of_the_timing_analyses(write_run):
    """Of Kaplan-Meier medians: one clipped run of three that does not grok leaves a median, and so a ratio."""
    clipped = [write_run(f"c{n}", arm="clip", max_norm=2.0, seed=n, groks=g) for n, g in enumerate((60, 80, None))]
    free = [write_run(f"f{n}", arm="free", seed=n, groks=g) for n, g in enumerate((300, 350, 380, 100))]
    (said,) = [line for line in findings([*clipped, *free]) if "times sooner" in line]
    shared = sorted(run.grok_step for run in free[:3])
    ratio = shared[1] / sorted(run.grok_step for run in clipped[:2])[1]
    assert f"groks {ratio:.1f} times sooner (over the 3 of 4 seeds that both arms have)" in said
    known = speed_up(timing_table([*clipped, *free]), "free", "clip")
    assert known["speed_up"].iloc[0] == pytest.approx(ratio)


def test_arms_that_cannot_be_compared_are_said_not_to_be(write_run):
    clipped, free = write_run("a", arm="clip", max_norm=2.0), write_run("b", arm="free", seed=1)
    said = findings([clipped, free])[1]
    assert "no speed-up can be stated: arms 'free' (seed 1) and 'clip' (seed 0) share no seed" in said
    twin = write_run("twin", arm="clip", max_norm=3.0)
    assert "no speed-up can be stated: arm 'clip' has seed 0 twice" in findings([clipped, twin, free])[1]


def test_a_clip_that_slows_is_said_to(write_run):
    slow = write_run("slow", arm="lion-clip", max_norm=2.0, groks=350)
    fast = write_run("fast", arm="lion", groks=100)
    assert f"{slow.grok_step / fast.grok_step:.1f} times later" in findings([slow, fast])[1]


def test_seeds_are_told_together(write_run):
    groks = (100, 150, None)
    runs = [write_run(f"s{seed}", arm="lion", seed=seed, groks=grok) for seed, grok in enumerate(groks)]
    said = findings(runs)[0]
    low, high = runs[0].grok_step, runs[1].grok_step
    assert said.startswith("lion (unclipped): 3 of 3 runs memorise at step ")
    assert f"2 grok at a median step of {(low + high) / 2:,.0f} ({low} to {high})." in said


def test_tasks_are_told_apart(write_run):
    lines = findings([write_run("a", **{"task.name": "add"}), write_run("b")])
    assert [line.split(":")[0] for line in lines] == ["add-p5", "add-p5", "mul-p5", "mul-p5"]
