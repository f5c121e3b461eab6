"""Branches are aligned with their parents, and say what they switch."""

from __future__ import annotations

import pandas as pd
import pytest

from grokscope.analysis import branches
from grokscope.analysis.dynamics.branches import switch
from grokscope.runs import Run


def branch_of(run: Run, parent: str, step: int) -> Run:
    """The run, as one that branched off another."""
    run.__dict__["parent"] = {"run": parent, "step": step, "sha256": ""}
    return run


def test_a_branch_begins_where_it_parts_and_is_told_of_its_parent(write_run):
    parent = write_run("p", arm="lion", groks=None)
    on = branch_of(write_run("on", arm="lion-clip", max_norm=2.0, groks=300), "p", 200)
    table = branches([parent, on, write_run("stranger", seed=1)])
    assert set(table["run"]) == {"p", "on"}
    assert set(table["parent"]) == {"p"}
    of_parent, of_branch = table[table["role"] == "parent"], table[table["role"] == "branch"]
    assert of_parent["step"].min() == 0
    assert of_parent[["branch_step", "since"]].isna().all(axis=None)
    assert of_branch["step"].min() == 200
    assert set(of_branch["branch_step"]) == {200}
    assert (of_branch["step"] - of_branch["since"] == 200).all()
    assert set(of_branch["switch"]) == {"norms.max_norm: none -> 2"}
    metrics = on.metrics.query("step >= 200")
    val = of_branch[of_branch["split"] == "val"]
    assert val["loss"].tolist() == pytest.approx(metrics["val_loss"].tolist())


def test_a_branch_of_a_branch_is_told_of_its_own_parent(write_run):
    runs = [write_run("p"), branch_of(write_run("c"), "p", 100), branch_of(write_run("g", lr=1e-4), "c", 200)]
    table = branches(runs)
    roles = table.drop_duplicates(["run", "role"]).set_index(["run", "role"])["parent"].to_dict()
    assert roles == {("p", "parent"): "p", ("c", "parent"): "c", ("c", "branch"): "p", ("g", "branch"): "c"}
    told = table[table["role"] == "branch"].drop_duplicates("run").set_index("run")["switch"]
    assert told.to_dict() == {"c": "nothing switched", "g": "optimizer.lr: 0.001 -> 0.0001"}


def test_several_switches_and_scopes_are_told_and_budgets_are_none(write_run):
    settings = {"max_norm": 2.0, "scope": ("ln", "mlp"), "training.steps": 700, "arm": "x"}
    assert switch(write_run("b", **settings), write_run("a")) == (
        "norms.max_norm: none -> 2, norms.scope: decoder -> ln+mlp"
    )


def test_a_branch_without_its_parent_has_an_unknown_switch(write_run):
    table = branches(branch_of(write_run("c"), "gone", 100))
    assert set(table["switch"]) == {"unknown"}
    assert set(table["parent"]) == {"gone"}


def test_runs_without_branches_have_no_rows(write_run):
    table = branches([write_run("a")])
    assert table.empty
    assert {"parent", "switch", "since"} <= set(table.columns)
    assert isinstance(table, pd.DataFrame)
