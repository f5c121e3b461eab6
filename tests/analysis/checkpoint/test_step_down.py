"""The step-down test: weak irreps beside strong ones are found, noise is not, and what nothing reads is no weak key."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext
from grokscope.analysis.checkpoint.null import RelabellingNull
from grokscope.analysis.checkpoint.removal import Removal
from grokscope.analysis.checkpoint.step_down import FLOOR, StepDown, step_down
from grokscope.analysis.circuit.key_use import key_use
from grokscope.analysis.circuit.keys import keys
from grokscope.config import TaskConfig
from grokscope.groups import AlternatingGroup, CyclicGroup, FiniteGroup, SymmetricGroup
from tests.planted_weak import PLANTS, WeakPlant, memorising_run, noise_table, random_run, weak_run

GROUPS = [CyclicGroup(31), SymmetricGroup(4), AlternatingGroup(5)]


def planted_table(group: FiniteGroup, powers: dict[str, float], seed: int = 0, units: int = 24) -> np.ndarray:
    """Irreps of given powers, with random coefficients, and noise for the rest of the variance."""
    rng = np.random.default_rng(seed)
    table = noise_table(group, rng, units) * np.sqrt(1 - sum(powers.values()))
    for name, power in powers.items():
        functions = group.irrep(name).basis()
        part = functions @ rng.normal(size=(functions.shape[1], units))
        table += part * np.sqrt(power) / np.linalg.norm(part)
    return table


def names_of(group: FiniteGroup, irreps: np.ndarray) -> list[str]:
    return [group.irreps[i].name for i in irreps]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_without_irreps_the_null_is_that_of_relabelled_residuals(group: FiniteGroup) -> None:
    null = RelabellingNull(group, draws=100)
    table = planted_table(group, {group.irreps[-1].name: 0.6}, seed=1)
    taken = [len(group.irreps) - 1, 1]
    out = np.concatenate([group.irreps[i].basis() for i in taken], axis=1)

    def without(values: np.ndarray) -> np.ndarray:
        values = values - values.mean(0)
        return values - out @ (out.T @ values)

    residual = without(table)
    spans = np.array([irrep.span_dim for irrep in group.irreps])
    left = np.setdiff1d(np.arange(1, len(spans)), taken)
    mean = spans[left] / spans[left].sum()

    def scores(values: np.ndarray) -> np.ndarray:
        energy = np.array([np.square(group.irreps[i].basis().T @ values).sum() for i in left])
        return (energy / np.square(values).sum() - mean) / np.sqrt(spans[left])

    drawn = np.sort([scores(without(residual[pi])).max() for pi in null.relabellings])
    tested = null.test(table, taken)
    assert tested.power[left] == pytest.approx(scores(residual) * np.sqrt(spans[left]) + mean, abs=1e-12)
    assert tested.power[left].sum() == pytest.approx(1.0)
    assert tested.threshold[left] == pytest.approx(mean + np.sqrt(spans[left]) * drawn[99], abs=1e-12)
    assert (tested.power[taken] == 0).all()
    assert (tested.p_value[taken] == 1).all()


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_with_all_irreps_taken_out_nothing_is_left(group: FiniteGroup) -> None:
    null = RelabellingNull(group)
    table = planted_table(group, {group.irreps[-1].name: 1.0})
    for taken in ([len(group.irreps) - 1], list(range(1, len(group.irreps)))):
        tested = null.test(table, taken)
        assert (tested.power == 0).all()
        assert (tested.p_value == 1).all()
        assert not len(tested.keys)


def test_a_weak_irrep_beside_strong_ones_is_found_in_a_later_round() -> None:
    group = CyclicGroup(113)
    table = planted_table(group, {"k=16": 0.3, "k=30": 0.3, "k=56": 0.3, "k=7": 0.04})
    tested = step_down(RelabellingNull(group), table)
    assert names_of(group, tested.strong) == ["k=16", "k=30", "k=56"]
    assert names_of(group, tested.weak) == ["k=7"]
    assert tested.round[7] == 2
    assert tested.threshold[7] < tested.power[7] < RelabellingNull(group).test(table).threshold[7]
    assert tested.p_value[7] == pytest.approx(1 / 201)
    # Noise of power 0.06 in 112 dimensions, of which the irrep has 2.
    assert tested.excess[7] == pytest.approx(0.04, abs=0.005)
    others = np.setdiff1d(np.arange(1, 57), [16, 30, 56, 7])
    assert (tested.p_value[others] > 0.01).all()


def test_excess_is_the_power_beyond_noise_of_the_same_dimension() -> None:
    group = SymmetricGroup(4)
    table = planted_table(group, {"standard": 0.8, "sign": 0.1})
    tested = step_down(RelabellingNull(group), table)
    found = tested.round > 0
    assert names_of(group, np.flatnonzero(found)) == ["standard", "sign"]
    power = group.power(table) @ (np.square(table - table.mean(0)).sum(0) / np.square(table - table.mean(0)).sum())
    per_dimension = (1 - power[found].sum()) / (23 - 9 - 1)
    spans = np.array([irrep.span_dim for irrep in group.irreps])
    assert tested.excess[1:] == pytest.approx((power - spans * per_dimension)[1:], abs=1e-12)


def test_an_irrep_below_the_floor_is_no_weak_key_however_significant() -> None:
    group = CyclicGroup(113)
    rng = np.random.default_rng(0)
    table = np.zeros((113, 40))
    for name, power in {"k=16": 0.5, "k=30": 0.48, "k=3": 0.012, "k=5": 0.0079}.items():
        functions = group.irrep(name).basis()
        part = functions @ rng.normal(size=(2, 40))
        table += part * np.sqrt(power) / np.linalg.norm(part)
    table += noise_table(group, rng, 40) * np.sqrt(0.0001)
    tested = step_down(RelabellingNull(group), table)
    assert names_of(group, np.flatnonzero(tested.round > 1)) == ["k=3", "k=5"]
    assert names_of(group, tested.weak) == ["k=3"]
    assert tested.excess[3] >= FLOOR > tested.excess[5]


def test_one_round_is_the_relabelling_null() -> None:
    group = SymmetricGroup(4)
    table = planted_table(group, {"standard": 0.8, "sign": 0.1})
    null = RelabellingNull(group)
    first, tested = null.test(table), step_down(null, table, rounds=1)
    for name in ("power", "threshold", "p_value"):
        assert (getattr(first, name) == getattr(tested, name)).all()
    assert (tested.keys == first.keys).all()
    assert set(tested.round) <= {0, 1}


@pytest.mark.parametrize("table", [np.zeros((31, 3)), np.full((31, 3), 1e8)], ids=["zero", "constant"])
def test_a_constant_table_has_no_rounds(table: np.ndarray) -> None:
    tested = step_down(RelabellingNull(CyclicGroup(31)), table)
    assert not tested.round.any()
    assert not len(tested.keys)
    assert np.isfinite(tested.excess).all()


def test_weak_irreps_are_keys_only_where_they_are_confirmed() -> None:
    group = CyclicGroup(113)
    tested = step_down(
        RelabellingNull(group), planted_table(group, {"k=16": 0.5, "k=30": 0.3, "k=7": 0.03, "k=9": 0.03})
    )
    assert names_of(group, tested.weak) == ["k=7", "k=9"]
    assert names_of(group, tested.keys) == ["k=16", "k=30"]
    assert names_of(group, tested.confirm(lambda irrep: irrep == 9).keys) == ["k=9", "k=16", "k=30"]


def embedding_of(plant: WeakPlant, seed: int, weak: float) -> tuple[StepDown, FiniteGroup, set[str], str]:
    """The test of one planted network's embedding, the group, all planted irreps and the weak one."""
    run, strong, name = plant.run(seed, weak)
    scope = RunContext(run)
    (frame,) = [frame for frame in scope.frames if frame.basis == "own"]
    return Checkpoint(scope, 0).embedding_test(frame), frame.group, {*strong, name}, name


@pytest.mark.parametrize("plant", PLANTS.values(), ids=list(PLANTS))
def test_a_weak_irrep_of_power_0_05_is_a_key_of_a_planted_network(plant: WeakPlant) -> None:
    for seed in range(3):
        tested, group, planted, name = embedding_of(plant, seed, 0.05)
        assert name not in names_of(group, tested.strong)
        assert set(names_of(group, tested.keys)) == planted


@pytest.mark.slow
@pytest.mark.parametrize("plant", PLANTS.values(), ids=list(PLANTS))
def test_a_weak_irrep_of_power_0_05_is_found_in_90_of_100_planted_networks(plant: WeakPlant) -> None:
    hits, spurious = 0, 0
    for seed in range(100):
        tested, group, planted, name = embedding_of(plant, seed, 0.05)
        found = set(names_of(group, tested.keys))
        hits += name in found
        spurious += bool(found - planted)
    assert hits >= 90
    assert spurious <= 5


def test_random_networks_have_no_keys_of_any_round() -> None:
    run = random_run(PLANTS["add mod 31"].random_config(), 20)
    scope = RunContext(run)
    empty = [
        not len(Checkpoint(scope, seed).embedding_test(frame).keys) for seed in run.steps for frame in scope.frames
    ]
    assert np.mean(empty) >= 0.95


def test_a_network_that_memorised_shuffled_labels_has_no_keys() -> None:
    run, accuracy = memorising_run(0)
    assert accuracy > 0.95
    scope = RunContext(run)
    assert all(not len(Checkpoint(scope, 0).embedding_test(frame).keys) for frame in scope.own)


@pytest.mark.slow
def test_networks_that_memorised_shuffled_labels_have_no_keys_in_95_of_100() -> None:
    empty = 0
    for seed in range(100):
        scope = RunContext(memorising_run(seed)[0])
        empty += not any(len(Checkpoint(scope, 0).embedding_test(frame).keys) for frame in scope.own)
    assert empty >= 95


@pytest.fixture(scope="module")
def harmonic() -> tuple[RunContext, pd.DataFrame]:
    """k = 1 mod 113 in the embedding of a network that answers by 16, 30 and 56, where nothing reads it."""
    rng = np.random.default_rng(0)
    powers = {"k=16": 0.25, "k=30": 0.25, "k=56": 0.25}
    run = weak_run(TaskConfig(name="add", modulus=113), powers, rng, noise=0.07, unread={"k=1": 0.15, "k=9": 0.03})
    scope = RunContext(run)
    return scope, key_use.measure(Checkpoint(scope, 0)).set_index("irrep")


def test_a_harmonic_that_nothing_reads_is_a_key_and_is_not_used(harmonic: tuple[RunContext, pd.DataFrame]) -> None:
    _, table = harmonic
    assert table["key"].to_dict() == {"k=1": True, "k=9": False, "k=16": True, "k=30": True, "k=56": True}
    assert table["used"].to_dict() == {"k=1": False, "k=9": False, "k=16": True, "k=30": True, "k=56": True}
    assert table.loc["k=1", "loss"] == pytest.approx(table.loc["k=1", "full_loss"], abs=1e-12)
    assert table.loc["k=9", "round"] == 2


def test_keys_says_of_every_round_and_excess(harmonic: tuple[RunContext, pd.DataFrame]) -> None:
    scope, used = harmonic
    tested = Checkpoint(scope, 0).embedding_test(scope.own[0])
    assert used["round"].to_list() == tested.round[[1, 9, 16, 30, 56]].tolist()
    assert used["excess"].to_list() == tested.excess[[1, 9, 16, 30, 56]].tolist()


def test_a_removal_is_the_network_with_a_projected_embedding() -> None:
    run, strong, _ = PLANTS["add mod 31"].run(0, 0.05)
    scope = RunContext(run)
    frame, checkpoint = scope.own[0], Checkpoint(scope, 0)
    removal = Removal(scope, frame, pairs=10**6)
    irrep = [rho.name for rho in frame.group.irreps].index(strong[0])
    functions = torch.from_numpy(frame.group.irreps[irrep].basis().copy())
    weights = dict(checkpoint.weights)
    table = weights["embed.W_E"].clone()
    table[:31] -= functions @ (functions.T @ table[:31])
    engine = scope.engine
    everything = torch.arange(scope.task.n_examples)
    whole, _ = engine.evaluate(weights, everything)
    without, _ = engine.evaluate({**weights, "embed.W_E": table}, everything)
    losses = removal.losses(weights, irrep)
    assert losses.full == pytest.approx(whole, rel=1e-9)
    assert losses.without == pytest.approx(without, rel=1e-9)
    power = (functions @ (functions.T @ weights["embed.W_E"][:31])).norm()
    for draw, control in enumerate(losses.controls):
        taken = torch.randn((31, table.shape[1]), generator=torch.Generator().manual_seed(draw), dtype=torch.float64)
        taken -= taken.mean(0)
        table = weights["embed.W_E"].clone()
        table[:31] -= taken * power / taken.norm()
        lost, _ = engine.evaluate({**weights, "embed.W_E": table}, everything)
        assert control == pytest.approx(lost, rel=1e-9)
    assert len(losses.controls) == 5
    assert losses.used
    assert losses.without > max(losses.controls)


def test_the_table_of_keys_has_the_columns_of_the_step_down_test() -> None:
    run, _, name = PLANTS["A5"].run(0, 0.05)
    table = keys.measure(Checkpoint(RunContext(run), 0))
    embed = table[(table["site"] == "embed")].set_index("irrep")
    assert embed.loc[name, "round"] == 2
    assert embed.loc[name, "key"]
    assert ((table["power"] > table["threshold"]) == (table["round"] > 0)).all()
    assert set(table.loc[table["site"] != "embed", "round"]) <= {0, 1}
