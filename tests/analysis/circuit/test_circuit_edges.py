"""Small groups, early checkpoints, tasks without a group: a result or a clear error, and no NaN without a reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from grokscope.analysis.checkpoint.frames import frames
from grokscope.analysis.circuit.clock_pizza import MEASURES
from grokscope.analysis.tables.declared import analyses
from grokscope.analysis.tables.registry import applicable, run_all
from grokscope.config import RunConfig, TaskConfig, override
from grokscope.config.labels import labels_of
from grokscope.model import Weights, initial_weights, is_buffer
from grokscope.runs import Run, create_run, open_run
from grokscope.tasks import build_task
from tests.planted import write_run as write_weights

FAMILY = {name: found.family for name, found in analyses().items()}
TINY = {"d_model": 8, "n_heads": 2, "d_mlp": 12, "n_layers": 1}


@pytest.fixture
def untrained(tmp_path: Path) -> Callable[..., Run]:
    def write(steps: tuple[int, ...] = (0,), dead: bool = False, **settings: object) -> Run:
        config = override(RunConfig(), {**TINY, **settings})
        task = build_task(config.task)
        checkpoints = {step: initial_weights(config.model, task, step) for step in steps}
        if dead:
            checkpoints = {
                step: {k: v if is_buffer(k) else torch.zeros_like(v) for k, v in weights.items()}
                for step, weights in checkpoints.items()
            }
        return write_weights(tmp_path / "run", config, checkpoints)

    return write


SAID_IN_THE_DOCSTRING = [
    *("bound", "at_bound"),  # nothing is clipped
    *("effective_rank", "gradient_normalised_entropy", "gradient_effective_number"),  # of zeros
    *("share", "median"),  # of a site that does not vary
    "spread",  # of coefficients whose mean is 0
    *("memory_share", "memory_peak"),  # of a network that has no lead, or remembers nothing
]
FROM_UNSEEN_PAIRS = ["characters", "answer"]
"""Sets whose losses are estimated from unseen pairs, of which a small task may have none for an answer."""


def missing(table: pd.DataFrame) -> pd.Series:
    """Rows that lack a number that neither a note nor the meaning of the column explains."""
    if "set" in table:
        table = table[~table["set"].isin(FROM_UNSEEN_PAIRS)]
    numbers = table.select_dtypes(include=[np.floating]).columns.difference(SAID_IN_THE_DOCSTRING)
    gaps = table[numbers].isna().any(axis=1)
    if "left_out" in table:  # examples whose answer has too few unseen pairs
        gaps &= table["left_out"] == 0
    return gaps & (table["note"] == "") if "note" in table else gaps


def check(tables: dict[str, pd.DataFrame]) -> None:
    for name, table in tables.items():
        gaps = missing(table)
        assert not gaps.any(), (name, table.loc[gaps[gaps].index].head())
        numbers = table.select_dtypes(include=[np.number]).to_numpy(dtype=float, na_value=np.nan)
        assert not np.isinf(numbers).any(), name


@pytest.mark.parametrize("task", ["add", "sub", "mul", "div"])
@pytest.mark.parametrize("modulus", [3, 5])
def test_small_moduli_have_all_tables(untrained: Callable[..., Run], task: str, modulus: int) -> None:
    run = untrained(**{"task.name": task, "modulus": modulus})
    tables = run_all(run)
    assert set(tables) == set(applicable(run))
    check(tables)
    assert not tables["keys"].loc[tables["keys"]["site"] == "embed", "key"].any() or modulus == 5


def test_addition_mod_2_has_the_sign_alone(untrained: Callable[..., Run]) -> None:
    run = untrained(**{"task.name": "add", "modulus": 2, "train_fraction": 0.5})
    tables = run_all(run)
    check(tables)
    assert set(tables["keys"]["irrep"]) == {"sign"}
    assert not tables["keys"]["key"].any()
    # The units mod 2 are one element: there is no wrong basis.
    assert set(tables["keys"]["basis"]) == {"own"}


def test_multiplication_mod_2_is_refused_for_its_group_has_one_element(untrained: Callable[..., Run]) -> None:
    run = untrained(**{"task.name": "mul", "modulus": 2})
    assert {FAMILY[name] for name in run_all(run)} == {"dynamics"}
    for analyse in (partial(run_all, only=["keys"]), *map(analyses().get, ("keys", "restricted_loss"))):
        with pytest.raises(ValueError, match="units mod 2 of one element"):
            analyse(run)


def test_parity_is_refused_for_it_has_no_group(untrained: Callable[..., Run]) -> None:
    run = untrained(**{"task.name": "parity", "task.bits": 4})
    assert set(run_all(run)) == set(applicable(run))
    assert {FAMILY[name] for name in applicable(run)} == {"dynamics"}
    circuits = partial(run_all, only=["fourier"])
    of_circuits = [found for found in analyses().values() if found.family in ("fourier", "subgroups")]
    assert len(of_circuits) > 15
    for analyse in (circuits, *of_circuits):
        with pytest.raises(ValueError, match="parity of 3 of 4 bits' has no group"):
            analyse(run)


def test_a_network_of_zeros_has_no_power_and_says_so(untrained: Callable[..., Run]) -> None:
    tables = run_all(untrained(dead=True, modulus=7))
    check(tables)
    assert not tables["keys"]["key"].any()
    assert (tables["spectra"]["power"] == 0).all()
    assert (tables["spectra"]["gini"] == 0).all()
    assert set(tables["neurons"]["cluster"]) == {"constant"}
    assert (tables["logit_characters"]["share"] == 0).all()
    note = tables["clock_pizza"]["note"].iloc[0]
    assert "gradient" in note
    assert "correct logit" in note
    assert "embedding" in note


def test_constant_neurons_are_named_and_have_no_irrep(untrained: Callable[..., Run]) -> None:
    run = untrained(modulus=7, activation="relu")
    table = run_all(run, ["neurons"])["neurons"]
    assert (table["irrep"].isna() == (table["cluster"] == "constant")).all()


def test_a_run_with_a_single_checkpoint_has_onsets_that_say_why_not(untrained: Callable[..., Run]) -> None:
    table = run_all(untrained(modulus=11), ["onset"])["onset"]
    assert table["grok_step"].isna().all()
    assert table["note"].str.contains("the run has not grokked").all()
    losses = table[(table["quantity"] == "full_loss") & (table["threshold"] < 2)]  # ln 11 = 2.4 nats is below 3
    assert losses["by"].isna().all()
    assert losses["note"].str.contains("it is never below").all()


def test_a_run_without_checkpoints_is_refused(untrained: Callable[..., Run]) -> None:
    with pytest.raises(ValueError, match="'run' has no checkpoints yet"):
        run_all(untrained(steps=(), modulus=7))


def test_zero_is_left_out_of_the_transform_and_reported_on_its_own(untrained: Callable[..., Run]) -> None:
    run = untrained(**{"task.name": "mul", "modulus": 7})
    table = run_all(run, ["outside_group"])["outside_group"]
    assert set(table["token"]) == {"0"}
    everything = table[table["split"] == "all"].iloc[0]
    assert everything["examples"] == 6  # x = 0 with y = 1..6
    weights = run.weights(0)
    assert everything["embedding_norm"] == pytest.approx(float(weights["embed.W_E"][0].norm()), rel=1e-6)
    x = run.task.operand_positions[0]
    examples = torch.nonzero(run.task.tokens[:, x] == 0)[:, 0]
    logits = run.model(0)(run.task.tokens[examples])[:, -1]
    loss = torch.nn.functional.cross_entropy(logits, run.task.labels[examples])
    assert everything["loss"] == pytest.approx(float(loss.detach()), rel=1e-5)


def test_additive_tasks_have_no_operand_outside_their_group(untrained: Callable[..., Run]) -> None:
    assert not len(run_all(untrained(**{"task.name": "add", "modulus": 7}), ["outside_group"])["outside_group"])


def test_no_operand_is_outside_a_group_that_left_and_right_operands_have_other_names_for(tmp_path: Path) -> None:
    sums = [[f"c{(a + b) % 7}" for b in range(7)] for a in range(7)]
    labels = labels_of(sums, [f"a{i}" for i in range(7)], [f"b{i}" for i in range(7)])
    config = override(RunConfig(), TINY)
    config = replace(config, task=TaskConfig(name="table", labels=labels, train_fraction=0.5))
    task = build_task(config.task)
    assert task.operations[0].group.name == "Z7"
    run = write_weights(tmp_path / "run", config, {0: initial_weights(config.model, task, 0)})
    assert not len(run_all(run, ["outside_group"])["outside_group"])


def test_an_operand_is_outside_the_group_on_the_side_where_it_stands_for_no_element(tmp_path: Path) -> None:
    """Under (x + 1) * y modulo 7 that is x = 6 and y = 0; x = 0 and y = 6 are units."""
    config = replace(override(RunConfig(), TINY), task=TaskConfig(name="expression", expression="(x+1)*y", modulus=7))
    task = build_task(config.task)
    run = write_weights(tmp_path / "run", config, {0: initial_weights(config.model, task, 0)})
    table = run_all(run, ["outside_group"])["outside_group"]
    table = table[table["split"] == "all"].set_index("token")
    embedding, model = run.weights(0)["embed.W_E"], run.model(0)
    for position, token in zip(task.operand_positions, (6, 0), strict=True):
        row, examples = table.loc[str(token)], torch.nonzero(task.tokens[:, position] == token)[:, 0]
        assert row["examples"] == len(examples) == 7
        loss = torch.nn.functional.cross_entropy(model(task.tokens[examples])[:, -1], task.labels[examples])
        assert row["loss"] == pytest.approx(float(loss.detach()), rel=1e-5)
        assert row["other_embedding_norm"] == pytest.approx(float(embedding[:7].norm(dim=1).mean()), rel=1e-6)
    assert set(table.index) == {"0", "6"}


def _scaled(weights: Weights, factor: float) -> Weights:
    return {name: value if is_buffer(name) else value * factor for name, value in weights.items()}


def _with_one_infinity(weights: Weights) -> Weights:
    spoiled = {name: value.clone() for name, value in weights.items()}
    spoiled["embed.W_E"][0, 0] = torch.inf
    return spoiled


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (partial(_scaled, factor=torch.nan), "weights"),
        (_with_one_infinity, "weights"),
        (partial(_scaled, factor=1e30), "logits"),  # finite, but too large to be multiplied
    ],
    ids=["NaN", "inf", "overflow"],
)
@pytest.mark.parametrize("settings", [{"modulus": 7}, {"task.name": "permutation", "task.degree": 3}])
def test_every_table_of_a_run_that_diverged_is_made(
    tmp_path: Path, settings: dict, spoil: Callable[[Weights], Weights], what: str
) -> None:
    config = override(RunConfig(), {**TINY, **settings, "normalization": "none"})
    start = initial_weights(config.model, build_task(config.task), 0)
    with create_run(tmp_path / "run", config) as writer:
        for step, weights in ((0, start), (10, spoil(start))):
            writer.checkpoint(step, weights)
            writer.log({"step": step, "train_loss": 1.0, "train_accuracy": 0.0, "val_loss": 1.0, "val_accuracy": 0.0})
        writer.finish("diverged")
    run = open_run(tmp_path / "run")
    tables = run_all(run)
    assert set(tables) == set(applicable(run))
    ends = tables["clock_pizza"].set_index("step").loc[[10]]
    assert ends[list(MEASURES)].isna().all(axis=None)
    assert set(ends["note"]) == {f"the network has {what} that are NaN or infinite"}
    assert (tables["clock_pizza"].query("step == 0")["note"] == "").all()


CONTROLLED = ("ablation", "clock_pizza", "keys", "logit_characters", "neurons", "restricted_loss", "spectra")
"""Tables that have rows without any key irreps; `circles` has none."""


@pytest.mark.parametrize("task", ["add", "sub", "mul", "div", "mixed"])
@pytest.mark.parametrize("modulus", [3, 7])
def test_every_table_has_the_control_in_the_wrong_basis(untrained: Callable[..., Run], task: str, modulus: int) -> None:
    settings = {"operations": ("add", "mul")} if task == "mixed" else {}
    tables = run_all(untrained(**{"task.name": task, "modulus": modulus}, **settings), CONTROLLED)
    for name, table in tables.items():
        bases = table.groupby("operation")["basis"].agg(set)
        assert all(bases == {"own", "wrong"}), name
    wrong = tables["ablation"][tables["ablation"]["basis"] == "wrong"]
    assert set(wrong["set"]) == {"matched"}
    # Without keys nothing is removed, here as in the own basis.
    hindsight = tables["ablation"][tables["ablation"]["set"] == "hindsight"]
    for operation, rows in wrong.groupby("operation"):
        own = hindsight[hindsight["operation"] == operation]
        assert rows["n_irreps"].max() <= own["n_irreps"].max()
        if not own["n_irreps"].any():
            assert rows["loss"].to_numpy() == pytest.approx(rows["full_loss"].to_numpy(), abs=1e-5)
            assert (rows["note"] == "").all()


@pytest.mark.parametrize(
    "settings", [{"task.name": "permutation", "task.degree": 3}, {"task.name": "add", "modulus": 2}]
)
def test_groups_without_a_counterpart_have_no_wrong_basis(untrained: Callable[..., Run], settings: dict) -> None:
    for name, table in run_all(untrained(**settings), CONTROLLED).items():
        assert set(table["basis"]) == {"own"}, name


def test_a_mixed_task_is_read_one_operation_at_a_time(untrained: Callable[..., Run]) -> None:
    run = untrained(**{"task.name": "mixed", "modulus": 7})
    tables = run_all(run)
    check(tables)
    for name in ("spectra", "keys", "neurons", "restricted_loss", "logit_characters", "clock_pizza"):
        assert set(tables[name]["operation"]) == {"add", "sub", "mul", "div"}, name
    embed = tables["keys"][(tables["keys"]["site"] == "embed") & (tables["keys"]["basis"] == "own")]
    # Subtraction reads the embedding that addition reads, in the same group.
    add, sub = (embed[embed["operation"] == name]["power"].to_numpy() for name in ("add", "sub"))
    assert add == pytest.approx(sub)


def test_an_overlap_of_subspaces_needs_two_groups(untrained: Callable[..., Run]) -> None:
    run = untrained(modulus=7)
    assert "embedding_overlap" not in applicable(run)
    with pytest.raises(ValueError, match="computes in one group, units mod 7"):
        run_all(run, ["embedding_overlap"])


def test_permutations_go_through_the_same_code(untrained: Callable[..., Run]) -> None:
    run = untrained(**{"task.name": "permutation", "task.degree": 3})
    tables = run_all(run)
    check(tables)
    assert set(tables["keys"]["irrep"]) == {irrep.name for irrep in run.task.operations[0].group.irreps[1:]}
    assert tables["keys"]["frequency"].isna().all()
    assert set(tables["keys"]["basis"]) == {"own"}


def test_unknown_analyses_are_refused_with_the_nearest(untrained: Callable[..., Run]) -> None:
    run = untrained(modulus=5)
    with pytest.raises(ValueError, match=r"no analysis 'spectrum'; nearest: spectra"):
        run_all(run, ["spectrum"])
    fourier = {name for name, family in FAMILY.items() if family == "fourier"}
    assert set(run_all(run, ["fourier"])) == fourier - {"embedding_overlap"}


def test_each_wrong_frame_reads_numbers_in_the_other_arithmetic() -> None:
    own, wrong = frames(build_task(TaskConfig(name="div", modulus=7)))
    assert (own.group.order, wrong.group.order) == (6, 7)
    assert (wrong.left == np.arange(7)).all()
    # Division's control is subtraction: the right operand stands for its negative.
    assert (wrong.right == (-np.arange(7)) % 7).all()
    assert sorted(own.left) == list(range(1, 7))
