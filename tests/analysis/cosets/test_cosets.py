"""Cosets are found where they were planted and, but for one neuron in a hundred, nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from grokscope.analysis import applicable, run_all
from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext
from grokscope.analysis.checkpoint.marginals import Marginal
from grokscope.analysis.cosets.coset_ablation import coset_ablation
from grokscope.analysis.cosets.cosets import coset_matrix, coset_summary, coset_table, cosets
from grokscope.analysis.cosets.neuron_grid import neuron_grid
from grokscope.analysis.cosets.partitions import CosetPartitions
from grokscope.analysis.cosets.readings import readings
from grokscope.config import RunConfig, override
from grokscope.groups import SymmetricGroup, subgroup_classes
from grokscope.model import initial_weights, is_buffer
from grokscope.runs import Run
from grokscope.tasks import build_task
from tests.planted import write_run
from tests.planted_cosets import EACH, FIRST, GROUP, KINDS, coset_run

TINY = {"d_model": 8, "n_heads": 2, "d_mlp": 12, "n_layers": 1}
ALL = (cosets, coset_matrix, readings, coset_ablation, coset_summary)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return coset_run(tmp_path_factory.mktemp("cosets") / "run")


@pytest.fixture(scope="module")
def table(run: Run) -> pd.DataFrame:
    """Of the planted neurons, with their kind."""
    found = cosets(run)
    assert found.groupby("operand").size().to_dict() == {"left": 576 + 3 + 40, "right": 576 + 3 + 40}
    found = found[found["neuron"] >= FIRST]
    return found.assign(kind=[KINDS[(neuron - FIRST) % len(KINDS)] for neuron in found["neuron"]])


@pytest.mark.parametrize(
    ("kind", "operand", "sides"),
    [
        ("left cosets of a", "left", {"left"}),
        ("right cosets of b", "right", {"right"}),
        ("one coset of a", "left", {"left", "right"}),  # gH is a right coset of a conjugate
        ("both operands", "left", {"left"}),
        ("both operands", "right", {"left"}),
    ],
)
def test_planted_cosets_are_found_with_their_subgroup_and_side(
    table: pd.DataFrame, kind: str, operand: str, sides: set[str]
) -> None:
    rows = table[(table["kind"] == kind) & (table["operand"] == operand)]
    assert len(rows) == EACH
    assert set(rows["subgroup"]) == {"S3"}
    assert set(rows["side"]) <= sides
    assert rows["explains"].all()
    assert rows["concentration"].to_numpy() == pytest.approx(0, abs=1e-9)
    assert (rows["order"] == 6).all()
    assert (rows["index"] == 4).all()
    share = rows["share_of_variance"].to_numpy()
    if kind == "both operands":
        assert (share < 1).all()
        assert (share > 0).all()
    else:
        assert share == pytest.approx(1, abs=1e-9)


def test_generic_functions_of_the_same_irrep_are_not_explained_by_cosets(table: pd.DataFrame) -> None:
    rows = table[(table["kind"] == "generic in a") & (table["operand"] == "left")]
    assert len(rows) == EACH
    # One direction in nine is constant on cosets of S3; the best of four conjugates on two sides comes near by chance.
    assert rows["explains"].mean() <= 0.25
    assert rows["concentration"].median() > 0.2


def test_the_other_operand_of_a_function_of_one_has_a_note_and_no_subgroup(table: pd.DataFrame) -> None:
    rows = table[
        table["kind"].isin(["left cosets of a", "one coset of a", "generic in a"]) & (table["operand"] == "right")
    ]
    assert (rows["note"] == "does not vary with this operand").all()
    assert rows["subgroup"].isna().all()
    assert (rows["variance"] == 0).all()
    assert not rows["significant"].any()
    assert (table.loc[table["note"] == "", "concentration"].notna()).all()


def test_concentration_in_the_table_is_that_of_the_network_s_activations(run: Run, table: pd.DataFrame) -> None:
    x, y = run.task.operand_positions
    with torch.no_grad():
        _, cache = run.model(0).run_with_cache(run.task.tokens)
    activations = cache["blocks.0.mlp.hook_post"][:, -1].double().numpy()
    frame = pd.DataFrame({"a": run.task.tokens[:, x], "b": run.task.tokens[:, y]})
    for row in table[table["note"] == ""].iloc[::9].to_dict("records"):
        values = frame.assign(v=activations[:, row["neuron"]])
        f = values.groupby("a" if row["operand"] == "left" else "b")["v"].mean().to_numpy()
        assert row["variance"] == pytest.approx(f.var())
        assert row["neuron_variance"] == pytest.approx(values["v"].var(ddof=0))
        one = next(found for found in subgroup_classes(GROUP) if found.name == row["subgroup"])
        chosen = one.members[row["member"]].elements
        coset = GROUP.table[:, chosen].min(1) if row["side"] != "right" else GROUP.table[chosen].min(0)
        within = sum((coset == c).mean() * f[coset == c].var() for c in np.unique(coset))
        assert row["concentration"] == pytest.approx(within / f.var(), abs=1e-9)


def test_the_matrix_holds_the_smallest_concentration_of_every_class(run: Run, table: pd.DataFrame) -> None:
    matrix = coset_matrix(run)
    assert set(matrix["subgroup"]) == {found.name for found in subgroup_classes(GROUP) if 1 < found.order < 24}
    assert len(matrix) == 2 * (FIRST + 40) * 9
    merged = table[table["note"] == ""].merge(matrix, on=["operand", "neuron", "subgroup"], suffixes=("", "_matrix"))
    assert len(merged) == (table["note"] == "").sum()
    assert merged["concentration_matrix"].to_numpy() == pytest.approx(merged["concentration"].to_numpy(), abs=1e-9)
    assert (matrix.loc[matrix["concentration"].isna(), "note"] != "").all()


def test_the_summary_counts_each_explained_neuron_once(run: Run) -> None:
    summary, table = coset_summary(run), cosets(run)
    explained = table[table["explains"]]
    for operand, rows in (("left", explained[explained["operand"] == "left"]), ("either", explained)):
        whole = table.drop_duplicates("neuron")["neuron_variance"].sum()
        for name in ("S3", "D4", "any"):
            these = rows if name == "any" else rows[rows["subgroup"] == name]
            these = these.drop_duplicates("neuron")
            found = summary[(summary["operand"] == operand) & (summary["subgroup"] == name)]
            assert found["n_explained"].tolist() == [len(these)]
            assert found["share_of_variance"].iloc[0] == pytest.approx(these["neuron_variance"].sum() / whole)
    assert len(summary) == 3 * (9 + 1)
    assert (summary["n_neurons"] == FIRST + 40).all()


def test_a_neuron_on_the_grid_is_constant_on_blocks_of_its_cosets(run: Run) -> None:
    grid = neuron_grid(run, 0, FIRST + KINDS.index("both operands"))
    assert len(grid) == 24**2
    assert (grid["left_subgroup"] == "S3").all()
    assert (grid["right_subgroup"] == "S3").all()
    assert (grid.groupby(["left_coset", "right_coset"])["activation"].std() < 1e-9).all()
    means = grid.groupby("left_coset")["activation"].mean()
    assert means.is_monotonic_increasing
    ranks = grid.drop_duplicates("left").sort_values("left_rank")
    assert ranks["left_rank"].tolist() == list(range(24))
    assert ranks["left_coset"].is_monotonic_increasing
    model = run.model(0)
    with torch.no_grad():
        _, cache = model.run_with_cache(run.task.tokens)
    values = cache["blocks.0.mlp.hook_post"][:, -1, FIRST + KINDS.index("both operands")].double().numpy()
    x, y = run.task.operand_positions
    labels = np.array(GROUP.labels)
    expected = {
        (labels[a], labels[b]): v for a, b, v in zip(run.task.tokens[:, x], run.task.tokens[:, y], values, strict=True)
    }
    for row in grid.iloc[::37].to_dict("records"):
        assert row["activation"] == pytest.approx(expected[row["left"], row["right"]], abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 0), "layer = 1 does not exist"),
        ((0, 9999), "neuron = 9999 does not exist"),
        ((0, 0, 7), r"step = 7 has no checkpoint in run 'run' \(nearest: 0\)"),
        ((0, 0, 0, "add"), "operation = 'add' has no cosets; accepted: permutation"),
    ],
)
def test_a_neuron_that_is_not_there_is_refused(run: Run, arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        neuron_grid(run, *arguments)


@pytest.mark.parametrize("group", ["S4", "Z12", "D6", "S3"])
def test_in_random_networks_one_neuron_in_a_hundred_is_significant(group: str) -> None:
    settled = override(RunConfig(), {**TINY, "d_mlp": 128, "task.name": "group", "task.group": group})

    class Untrained:
        """A run whose checkpoint of step `seed` is a network drawn from that seed."""

        steps, name, config, basis = [0], "untrained", settled, None
        task = build_task(settled.task)

        @staticmethod
        def weights(seed: int):
            return initial_weights(settled.model, Untrained.task, seed)

    run: Run = Untrained()  # type: ignore[assignment]
    context = RunContext(run)
    significant = [cosets.measure(Checkpoint(context, seed))["significant"].mean() for seed in range(30)]
    # 30 networks of 128 neurons, which in one network depend on 8 embedding directions and are not independent.
    # The standard error of their mean is 0.002 to 0.005.
    assert 0.002 < np.mean(significant) < 0.02


@pytest.fixture
def untrained(tmp_path: Path) -> Callable[..., Run]:
    def write(dead: bool = False, **settings: object) -> Run:
        config = override(RunConfig(), {**TINY, **settings})
        weights = initial_weights(config.model, build_task(config.task), 0)
        if dead:
            weights = {k: v if is_buffer(k) else torch.zeros_like(v) for k, v in weights.items()}
        return write_run(tmp_path / "run", config, {0: weights})

    return write


@pytest.mark.parametrize("settings", [{"task.name": "add", "modulus": 11}, {"task.name": "group", "task.group": "Z7"}])
def test_a_group_of_prime_order_has_no_analyses_of_cosets(untrained: Callable[..., Run], settings: dict) -> None:
    run = untrained(**settings)
    assert not {"cosets", "readings", "coset_ablation"} & set(applicable(run))
    for analysis in ALL:
        with pytest.raises(ValueError, match="a group of prime order has none"):
            analysis(run)
    with pytest.raises(ValueError, match="a group of prime order has none"):
        run_all(run, ["cosets"])


def test_the_units_of_a_prime_have_cosets_and_a_mixed_task_those_of_its_units(untrained: Callable[..., Run]) -> None:
    run = untrained(**{"task.name": "mixed", "operations": ("add", "mul"), "modulus": 7})
    tables = run_all(run, ["cosets", "readings"])
    for table in tables.values():
        assert set(table["operation"]) == {"mul"}
        assert set(table["basis"]) == {"own"}


def test_a_dead_network_has_notes_and_no_gap_without_one(untrained: Callable[..., Run]) -> None:
    run = untrained(dead=True, **{"task.name": "permutation", "task.degree": 3})
    tables = run_all(run, ["cosets", "coset_matrix", "coset_summary", "readings", "coset_ablation"])
    for name, table in tables.items():
        gaps = table.select_dtypes(include=[np.floating]).isna().any(axis=1)
        assert not (gaps & (table["note"] == "")).any() if "note" in table else not gaps.any(), name
    assert (tables["cosets"]["note"] == "does not vary with this operand").all()
    assert not tables["cosets"]["explains"].any()
    assert (tables["readings"]["note"] == "constant").all()
    assert (tables["readings"]["better"] == "neither").all()
    assert (tables["coset_summary"]["n_explained"] == 0).all()
    assert (tables["coset_ablation"]["note"] == "no neuron is explained").all()
    grid = neuron_grid(run, 0, 0)
    assert grid["left_subgroup"].isna().all()
    assert (grid["activation"] == grid["activation"].iloc[0]).all()


def test_in_s3_no_partition_is_significant_for_relabellings_fit_as_well() -> None:
    partitions = CosetPartitions(SymmetricGroup(3))
    f = torch.from_numpy(partitions.labels.T.astype(float))
    f = f - f.mean(0)
    variance = f.square().mean(0)
    table = coset_table(partitions, Marginal(f, variance, variance))
    assert table["concentration"].to_numpy() == pytest.approx(0, abs=1e-12)
    assert not table["significant"].any()
