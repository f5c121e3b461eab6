"""The relabelling null: its power is the group's, its level is its level."""

from __future__ import annotations

import numpy as np
import pytest

from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext
from grokscope.analysis.checkpoint.null import RelabellingNull
from grokscope.config import RunConfig, override
from grokscope.groups import CyclicGroup, FiniteGroup, SymmetricGroup, UnitsModulo
from grokscope.model import initial_weights
from grokscope.runs import Run
from grokscope.tasks import build_task

GROUPS = [CyclicGroup(9), UnitsModulo(13), SymmetricGroup(3), SymmetricGroup(4)]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_power_is_the_share_of_variance_in_each_irrep(group: FiniteGroup) -> None:
    table = np.random.default_rng(0).normal(size=(group.order, 5))
    basis, of_column = group.fourier_basis(), group.fourier_irreps()
    coefficients = (basis.T @ (table - table.mean(0))) ** 2
    energy = np.array([coefficients[of_column == i].sum() for i in range(len(group.irreps))])
    assert RelabellingNull(group).test(table).power == pytest.approx(energy / energy.sum(), abs=1e-12)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_a_draw_is_the_power_of_the_relabelled_table(group: FiniteGroup) -> None:
    table = np.random.default_rng(1).normal(size=(group.order, 4))
    null = RelabellingNull(group, draws=100)
    spans = np.array([irrep.span_dim for irrep in group.irreps])

    def largest(values: np.ndarray) -> float:
        scores = (null.test(values).power - spans / (group.order - 1)) / np.sqrt(spans)
        return float(scores[1:].max())

    drawn = np.sort([largest(table[pi]) for pi in null.relabellings])
    # The 100th of 100: at most 1 in 101 tables without meaning is above it.
    expected = spans / (group.order - 1) + np.sqrt(spans) * drawn[99]
    assert null.test(table).threshold[1:] == pytest.approx(expected[1:], abs=1e-12)
    mine = largest(table)
    assert null.test(table).p_value.min() == pytest.approx((1 + (drawn >= mine - 1e-9).sum()) / 101)


def test_a_table_made_of_one_frequency_has_that_key() -> None:
    group = CyclicGroup(97)
    x = np.arange(97)
    circle = np.stack([np.cos(2 * np.pi * 5 * x / 97), np.sin(2 * np.pi * 5 * x / 97)], axis=1)
    noise = np.random.default_rng(0).normal(size=(97, 64)) * 0.05
    found = RelabellingNull(group).test(np.concatenate([circle, noise], axis=1))
    assert found.keys.tolist() == [5]
    assert found.p_value[5] == pytest.approx(1 / 201)


def test_a_sign_can_be_a_key_beside_frequencies() -> None:
    group = UnitsModulo(97)
    sign = np.where(np.arange(96) % 2, 1.0, -1.0)[:, None]
    noise = np.random.default_rng(0).normal(size=(96, 64))
    found = RelabellingNull(group).test(np.concatenate([1.0 * sign, noise], axis=1))
    assert found.keys.tolist() == [48]
    # It has less power than a frequency needs.
    assert found.power[48] < found.threshold[1]


@pytest.mark.parametrize("table", [np.zeros((7, 3)), np.full((7, 3), 1e8)], ids=["zero", "constant"])
def test_a_constant_table_has_no_power_and_no_keys(table: np.ndarray) -> None:
    found = RelabellingNull(CyclicGroup(7)).test(table)
    assert not len(found.keys)
    assert (found.power == 0).all()
    assert (found.p_value == 1).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan])
def test_a_table_with_a_number_that_is_not_finite_has_no_keys_and_no_known_power(number: float) -> None:
    table = np.random.default_rng(0).normal(size=(7, 3))
    table[2, 1] = number
    found = RelabellingNull(CyclicGroup(7)).test(table, without=(2,))
    assert not len(found.keys)
    assert np.isnan(found.power[[1, 3]]).all()
    assert np.isnan(found.threshold[[1, 3]]).all()
    assert found.power[[0, 2]].tolist() == [0.0, 0.0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("exponent", [-1000, -300, 300, 1000])
def test_powers_are_shares_whatever_the_size_of_the_table(exponent: int) -> None:
    """Squares of 2^1000 and of 2^-1000 are beyond what float64 holds."""
    table, null = np.random.default_rng(0).normal(size=(7, 3)), RelabellingNull(CyclicGroup(7))
    for without in ((), (2,)):
        near, far = null.test(table, without), null.test(np.ldexp(table, exponent), without)
        for of in ("power", "threshold", "p_value"):
            assert np.array_equal(getattr(near, of), getattr(far, of))


@pytest.mark.parametrize("n", [2, 3], ids=["Z2", "Z3"])
def test_a_group_with_one_irrep_has_no_keys_for_all_labels_are_alike(n: int) -> None:
    found = RelabellingNull(CyclicGroup(n)).test(np.random.default_rng(0).normal(size=(n, 4)))
    assert found.power[1] == pytest.approx(1.0)
    assert found.p_value[1] == 1.0
    assert not len(found.keys)


def test_too_few_draws_for_the_level_are_refused() -> None:
    with pytest.raises(ValueError, match=r"draws = 98 cannot show a level of alpha = 0.01: use at least 99 draws"):
        RelabellingNull(CyclicGroup(5), draws=98)


@pytest.mark.parametrize("task", ["mul", "add", "permutation"])
def test_random_networks_have_an_empty_key_set_in_at_least_95_of_100(task: str) -> None:
    settings = {"task.name": task, "modulus": 31, "task.degree": 4, "d_model": 32, "d_mlp": 32, "n_layers": 1}
    settled = override(RunConfig(), settings)

    class Untrained:
        """A run whose checkpoint of step `seed` is a network drawn from that seed."""

        steps, name, config, basis = [0], "untrained", settled, None
        task = build_task(settled.task)

        @staticmethod
        def weights(seed: int):
            return initial_weights(settled.model, Untrained.task, seed)

    run: Run = Untrained()  # type: ignore[assignment]
    context = RunContext(run)
    for frame in context.frames:
        empty = sum(not len(Checkpoint(context, seed).embedding_test(frame).keys) for seed in range(100))
        assert empty >= 95
