"""Networks written by hand: every metric has a value known in closed form, and hits it."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
import pandas as pd
import pytest
import torch

from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext
from grokscope.analysis.circuit.ablation import SITES, Removed, Sample, ablation
from grokscope.analysis.circuit.keys import keys
from grokscope.analysis.circuit.logit_characters import logit_characters
from grokscope.analysis.circuit.neurons import neurons
from grokscope.analysis.circuit.restricted import restricted_loss
from grokscope.analysis.circuit.spectra import spectra
from grokscope.config import TaskConfig
from grokscope.engine import Engine
from grokscope.runs import Run
from tests.planted import LINEAR, Amplitudes, planted_config, planted_weights, write_run

GAIN = 0.7


@dataclass(frozen=True)
class Plant:
    """A task and the irreps that its planted network answers by."""

    task: TaskConfig
    irreps: Amplitudes
    model: tuple[tuple[str, object], ...] = ()


PLANTS = {
    "add mod 13": Plant(TaskConfig(name="add", modulus=13), {"k=2": 1.0, "k=3": 1.0}),
    "add mod 13, answers only": Plant(
        TaskConfig(name="add", modulus=13, form="x_y_eq"), {"k=5": 1.0}, (("output", "answers"),)
    ),
    "sub mod 13": Plant(TaskConfig(name="sub", modulus=13), {"k=4": 1.0, "k=6": 1.0}),
    "mul mod 13": Plant(TaskConfig(name="mul", modulus=13), {"k=1": 1.0, "k=4": 1.0}),
    "div mod 13": Plant(TaskConfig(name="div", modulus=13), {"k=5": 1.0, "k=2": 1.0}),
    "mul mod 29 with the sign": Plant(TaskConfig(name="mul", modulus=29), {"k=5": 1.0, "sign": 1.5}),
    "S4": Plant(TaskConfig(name="permutation", degree=4), {"standard": 1.0}),
    "S5": Plant(TaskConfig(name="group", group="S5"), {"standard": 1.0}),
    "A4": Plant(TaskConfig(name="group", group="A4"), {"standard": 1.0}),
    "A5": Plant(TaskConfig(name="group", group="A5"), {"standard": 1.0}),
    "S3": Plant(TaskConfig(name="permutation", degree=3), {"standard": 1.0}),
}


LARGE = ("S5",)
"""Half a minute for each test. A5 is of its kind, with a quarter of the pairs and of the neurons."""
CASES = [
    pytest.param(name, id=name.replace(" ", "-"), marks=[pytest.mark.slow] if name in LARGE else []) for name in PLANTS
]


@pytest.fixture(scope="module", params=CASES)
def planted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plant, Run]:
    plant = PLANTS[request.param]
    config = planted_config(plant.irreps, plant.task, **dict(plant.model))
    path = tmp_path_factory.mktemp("planted") / "run"
    return plant, write_run(path, config, {0: planted_weights(config, plant.irreps, GAIN)})


def own(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["basis"] == "own"]


def group_loss(run: Run, irreps: Amplitudes, without: str | None = None) -> float:
    """Cross-entropy at every pair of group elements: logits are gain * sum w^2 d chi(g c^-1), and 0 elsewhere."""
    operation = run.task.operations[0]
    group = operation.group
    shape = (group.order,)
    logits = sum(
        (
            GAIN * w**2 * group.irrep(name).dim * group.irrep(name).character
            for name, w in irreps.items()
            if name != without
        ),
        np.zeros(shape),
    )
    n_outputs = run.weights(0)["unembed.W_U"].shape[1]
    return float(np.log(np.exp(logits).sum() + n_outputs - group.order) - logits[group.identity])


def test_a_planted_network_computes_its_group(planted: tuple[Plant, Run]) -> None:
    plant, run = planted
    engine, operation = Engine(run.config.model, run.task), run.task.operations[0]
    x, y = run.task.operand_positions
    inside = (operation.left[run.task.tokens[:, x]] >= 0) & (operation.right[run.task.tokens[:, y]] >= 0)
    examples = torch.from_numpy(np.flatnonzero(inside))
    loss, accuracy = engine.evaluate(run.weights(0), examples)
    assert accuracy == 1.0
    assert loss == pytest.approx(group_loss(run, plant.irreps), abs=1e-9)


def test_the_key_set_is_exactly_the_planted_one(planted: tuple[Plant, Run]) -> None:
    plant, run = planted
    if run.task.operations[0].group.order < 12:
        pytest.skip("6 elements have too few relabellings for any irrep to be significant at 0.01")
    table = keys(run)
    embed = table[table["site"] == "embed"]
    assert set(own(embed).loc[own(embed)["key"], "irrep"]) == set(plant.irreps)
    assert (embed["key"] == embed["hindsight"]).all()
    assert not embed.loc[embed["basis"] == "wrong", "key"].any()


def test_power_at_the_embedding_and_unembedding_is_in_proportion_to_squared_dimension(
    planted: tuple[Plant, Run],
) -> None:
    plant, run = planted
    group = run.task.operations[0].group
    weight = {name: (w * group.irrep(name).dim) ** 2 for name, w in plant.irreps.items()}
    expected = {name: weight.get(name, 0) / sum(weight.values()) for name in group.irrep_names}
    table = own(spectra(run))
    for site, part in (("embed", "left"), ("embed", "right"), ("unembed", "answer")):
        rows = table[(table["site"] == site) & (table["part"] == part)]
        assert rows["power"].to_numpy() == pytest.approx([expected[name] for name in rows["irrep"]], abs=1e-12)
        assert rows["ipr"].iloc[0] == pytest.approx(sum(v**2 for v in expected.values()), abs=1e-12)


def test_logits_are_functions_of_the_product_through_the_planted_irreps(planted: tuple[Plant, Run]) -> None:
    plant, run = planted
    table = own(spectra(run))
    logits = table[(table["site"] == "logits") & (table["part"] == "product")]
    assert logits["of_variance"].to_numpy() == pytest.approx(1.0, abs=1e-12)
    assert logits.loc[logits["irrep"].isin(plant.irreps), "power"].sum() == pytest.approx(1.0, abs=1e-12)
    for part in ("left", "right"):
        rows = table[(table["site"] == "logits") & (table["part"] == part)]
        assert rows["of_variance"].to_numpy() == pytest.approx(0.0, abs=1e-12)


def test_coefficients_of_characters_are_the_planted_ones(planted: tuple[Plant, Run]) -> None:
    plant, run = planted
    group = run.task.operations[0].group
    table = logit_characters(run)
    rows = own(table).set_index("irrep")
    expected = {name: GAIN * plant.irreps.get(name, 0.0) ** 2 * group.irrep(name).dim for name in rows.index}
    assert rows["coefficient"].to_numpy() == pytest.approx(list(expected.values()), abs=1e-10)
    assert rows["share"].sum() == pytest.approx(1.0, abs=1e-10)
    square = {name: value**2 * group.irrep(name).commutant_dim for name, value in expected.items()}
    assert rows["share"].to_numpy() == pytest.approx([v / sum(square.values()) for v in square.values()], abs=1e-10)
    assert table.loc[table["basis"] == "wrong", "share"].sum() < 0.5


def test_restricted_loss_equals_full_loss_and_excluded_loss_that_of_the_uniform_answer(
    planted: tuple[Plant, Run],
) -> None:
    plant, run = planted
    table = own(restricted_loss(run))
    n_outputs = run.weights(0)["unembed.W_U"].shape[1]
    full = group_loss(run, plant.irreps)
    assert table["full_loss"].to_numpy() == pytest.approx(full, abs=1e-9)
    if run.task.operations[0].group.order >= 12:
        keyset = table[table["set"].isin(["key", "hindsight"])]
        assert set(zip(keyset["level"], keyset["split"], strict=True)) == {
            (level, split) for level in ("logits", "neurons") for split in ("train", "val", "all")
        }
        assert keyset["restricted_loss"].to_numpy() == pytest.approx(full, abs=1e-9)
        assert keyset["excluded_loss"].to_numpy() == pytest.approx(log(n_outputs), abs=1e-9)


def test_losses_of_single_irreps_are_those_of_the_others(planted: tuple[Plant, Run]) -> None:
    plant, run = planted
    table = own(restricted_loss(run))
    full = group_loss(run, plant.irreps)
    n_outputs = run.weights(0)["unembed.W_U"].shape[1]
    for _, row in table[table["set"] == "one"].iterrows():
        if row["irrep"] in plant.irreps:
            alone = {row["irrep"]: plant.irreps[row["irrep"]]}
            assert row["restricted_loss"] == pytest.approx(group_loss(run, alone), abs=1e-9)
            assert row["excluded_loss"] == pytest.approx(group_loss(run, plant.irreps, row["irrep"]), abs=1e-9)
        else:
            assert row["restricted_loss"] == pytest.approx(log(n_outputs), abs=1e-9)
            assert row["excluded_loss"] == pytest.approx(full, abs=1e-9)


def test_linear_neurons_are_explained_by_their_irrep_alone(planted: tuple[Plant, Run]) -> None:
    plant, run = planted
    n = run.task.operations[0].group.order
    table = own(neurons(run)).set_index("neuron")
    for i, name in enumerate(plant.irreps):
        of_a, of_b, of_both = (table.loc[n * n + LINEAR * i + j] for j in range(LINEAR))
        for row in (of_a, of_b, of_both):
            assert row["cluster"] == row["irrep"] == name
            assert row["share"] == pytest.approx(1.0, abs=1e-9)
            assert row["block"] == pytest.approx(0.0, abs=1e-9)
            assert row["mixed"] == pytest.approx(0.0, abs=1e-9)
        assert (of_a["left"], of_a["right"]) == pytest.approx((1.0, 0.0), abs=1e-9)
        assert (of_b["left"], of_b["right"]) == pytest.approx((0.0, 1.0), abs=1e-9)
        assert (of_both["left"], of_both["right"]) == pytest.approx((0.5, 0.5), abs=1e-9)


def test_look_up_neurons_belong_to_no_irrep(planted: tuple[Plant, Run]) -> None:
    _, run = planted
    group = run.task.operations[0].group
    table = own(neurons(run))
    look_up = table[table["neuron"] < group.order**2]
    # An indicator of one pair has the variance (1 - 1/n^2) / n^2 and equal power in all n^2 - 1 directions.
    n = group.order
    assert look_up["variance"].to_numpy() == pytest.approx((1 - 1 / n**2) / n**2)
    for _, row in look_up.iterrows():
        span = group.irrep(row["irrep"]).span_dim
        assert row["left"] == pytest.approx(span / (n**2 - 1))
        assert row["block"] == pytest.approx(span**2 / (n**2 - 1))
        assert row["cluster"] == ("other" if row["share"] < 0.85 else row["irrep"])


def test_removing_a_planted_irrep_from_the_logits_leaves_the_others(planted: tuple[Plant, Run]) -> None:
    plant, run = planted
    if run.task.operations[0].group.order < 12:
        pytest.skip("no key set")
    table = own(ablation(run))
    one = table[table["set"] == "one"]
    assert set(one["irrep"]) == set(plant.irreps)
    for site in ("neurons", "logits"):
        for _, row in one[one["site"] == site].iterrows():
            assert row["loss"] == pytest.approx(group_loss(run, plant.irreps, row["irrep"]), abs=1e-9)
    together = table[(table["set"] == "key") & table["site"].isin(["neurons", "logits"])]
    n_outputs = run.weights(0)["unembed.W_U"].shape[1]
    assert together["loss"].to_numpy() == pytest.approx(log(n_outputs), abs=1e-9)
    assert table["full_accuracy"].min() == 1.0
    assert table.loc[(table["set"] == "key") & (table["site"] == "embedding"), "accuracy"].max() < 0.6
    controlled = table["control"] != ""
    assert (table.loc[controlled, "control_loss_sd"] > 0).all()
    assert table.loc[~controlled, ["control_loss", "control_loss_sd"]].isna().all(axis=None)


def test_removing_an_irrep_that_is_not_planted_has_no_effect(planted: tuple[Plant, Run]) -> None:
    plant, run = planted
    checkpoint = Checkpoint(RunContext(run), 0)
    frame = checkpoint.context.own[0]
    sample = Sample.of(checkpoint, frame)
    names = ("logits", "blocks.0.hook_resid_post")
    sampled = {name: sample.at_pairs(checkpoint.activations(frame.operation, name)) for name in names}
    full = sampled["logits"]
    others = np.array([i for i, rho in enumerate(frame.group.irreps) if i and rho.name not in plant.irreps])
    # The look-up neurons are no functions of a * b, but what they write is: the head reads nothing else.
    for site, without in SITES.items():
        found = without(checkpoint, frame, sample, sampled, others, Removed())
        assert found.numpy() == pytest.approx(full.numpy(), abs=1e-9), site
