"""Parts of functions on pairs: against numpy's least squares, in closed form, and none too many."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grokscope.analysis.checkpoint.basis import GridBasis
from grokscope.analysis.checkpoint.parts import PARTS, Energies, PairParts
from grokscope.groups import CyclicGroup, DihedralGroup, FiniteGroup, SymmetricGroup, UnitsModulo, group_by_name

GROUPS: dict[str, FiniteGroup] = {
    "Z7": CyclicGroup(7),
    "units mod 13": UnitsModulo(13),
    "Z2xZ2xZ2": group_by_name("Z2xZ2xZ2"),
    "D5": DihedralGroup(5),
    "S4": SymmetricGroup(4),
}
QUOTIENT = {
    "Z7": 6,  # all frequencies have both
    "units mod 13": 10,  # all but the sign
    "Z2xZ2xZ2": 0,  # every element is its own inverse
    "D5": 8,  # two irreps of dimension 2; in the sign they are the same
    "S4": 22,  # 23 nontrivial functions less the sign
}


@pytest.fixture(params=GROUPS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def whole(group: FiniteGroup) -> torch.Tensor:
    return torch.ones((group.order, group.order), dtype=torch.bool)


def half(group: FiniteGroup) -> torch.Tensor:
    return torch.rand((group.order, group.order), generator=torch.Generator().manual_seed(1)) < 0.5


def energies_of(basis: GridBasis, pairs: torch.Tensor, x: torch.Tensor) -> Energies:
    """Over one set of pairs."""
    return PairParts(basis, {"train": pairs}).energies(x)["train"]


def by_least_squares(group: FiniteGroup, pairs: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The same with designs of indicators and numpy's lstsq, one nested model after the other."""
    n = group.order
    a, b = np.divmod(np.arange(n * n)[pairs.flatten()], n)
    values = x[pairs.flatten()]
    kinds = (group.table[a, b], a, b, group.table[a, group.inverse[b]])
    design, explained = [np.ones((len(a), 1))], []
    for kind in (None, *kinds):
        if kind is not None:
            design.append(np.eye(n)[kind])
        matrix = np.concatenate(design, axis=1)
        fitted = matrix @ np.linalg.lstsq(matrix, values, rcond=1e-10)[0]
        explained.append((fitted**2).sum(0))
    steps = np.diff(np.stack(explained), axis=0)
    return np.concatenate([steps, ((values**2).sum(0) - explained[-1])[None]])


@pytest.mark.parametrize("of", [whole, half])
def test_parts_agree_with_nested_least_squares(name: str, of) -> None:
    group = GROUPS[name]
    x = np.random.default_rng(0).normal(size=(group.order**2, 3)) + 5.0
    found = energies_of(GridBasis(group), of(group), torch.from_numpy(x))
    expected = by_least_squares(group, of(group).numpy(), x)
    np.testing.assert_allclose(found.parts.numpy(), expected, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(found.parts.sum(0), found.total, rtol=1e-12)


def test_over_all_pairs_each_part_has_the_dimensions_of_its_functions(name: str) -> None:
    group = GROUPS[name]
    n = group.order
    chance = PairParts(GridBasis(group), {"train": whole(group)}).sets["all"].chance
    assert (chance[:4] * (n**2 - 1)).tolist() == pytest.approx([n - 1, n - 1, n - 1, QUOTIENT[name]])
    assert chance.sum() == pytest.approx(1.0)


def function_of(argument: str, group: FiniteGroup) -> torch.Tensor:
    """Random functions of one argument at all pairs, two units."""
    n = group.order
    a, b = np.divmod(np.arange(n * n), n)
    of = {"answer": group.table[a, b], "left": a, "right": b, "quotient": group.table[a, group.inverse[b]]}
    return torch.from_numpy(np.random.default_rng(0).normal(size=(n, 2))[of[argument]])


@pytest.mark.parametrize("part", ["answer", "left", "right"])
def test_over_all_pairs_a_function_of_one_argument_is_that_part_alone(name: str, part: str) -> None:
    group = GROUPS[name]
    found = energies_of(GridBasis(group), whole(group), function_of(part, group))
    assert found.weighted.tolist() == pytest.approx([float(p == part) for p in PARTS], abs=1e-9)


def test_over_some_pairs_a_function_of_the_answer_is_nothing_else(name: str) -> None:
    group = GROUPS[name]
    found = energies_of(GridBasis(group), half(group), function_of("answer", group))
    assert found.weighted.tolist() == pytest.approx([1.0, 0.0, 0.0, 0.0, 0.0], abs=1e-9)


@pytest.mark.parametrize("of", [whole, half])
@pytest.mark.parametrize("argument", ["left", "right", "quotient"])
def test_functions_of_one_argument_leave_no_rest(name: str, argument: str, of) -> None:
    group = GROUPS[name]
    found = energies_of(GridBasis(group), of(group), function_of(argument, group))
    assert found.weighted[-1] == pytest.approx(0.0, abs=1e-9)


def test_over_all_pairs_the_order_of_operands_does_not_matter() -> None:
    group = SymmetricGroup(4)
    n = group.order
    a, b = np.divmod(np.arange(n * n), n)
    rng = np.random.default_rng(0)
    pieces = [rng.normal(size=(n, 1)) * w for w in (1.0, 2.0, 3.0)]
    pieces = [f - f.mean(0) for f in pieces]
    x = pieces[0][group.table[a, b]] + pieces[1][a] + pieces[2][b]
    found = energies_of(GridBasis(group), whole(group), torch.from_numpy(x))
    expected = [float((f**2).sum() * n) for f in pieces] + [0.0, 0.0]
    assert found.parts[:, 0].tolist() == pytest.approx(expected, abs=1e-8)


def test_quotients_of_real_irreps_count_for_what_they_add_to_products() -> None:
    """An entry of rho(a b^-1) has the cosine 1 / d with one of rho(a b), where rho is real."""
    group = SymmetricGroup(4)
    n = group.order
    rho = group.irrep("standard")
    a, b = np.divmod(np.arange(n * n), n)
    x = rho.matrices[group.table[a, group.inverse[b]]][:, 0, 1][:, None]
    found = energies_of(GridBasis(group), whole(group), torch.from_numpy(x))
    assert found.weighted.tolist() == pytest.approx([1 / 9, 0.0, 0.0, 8 / 9, 0.0], abs=1e-9)


def test_noise_has_in_every_part_the_share_of_its_dimensions(name: str) -> None:
    group = GROUPS[name]
    parts = PairParts(GridBasis(group), {"train": half(group), "val": ~half(group)})
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(group.order**2, 4000)))
    for split, found in parts.energies(x).items():
        np.testing.assert_allclose(found.weighted, parts.sets[split].chance, atol=0.02)
        np.testing.assert_allclose(found.median, parts.sets[split].chance, atol=0.06)


def test_tokens_that_are_no_group_elements_are_left_out() -> None:
    """Rows and columns of a grid in any order, with one more token each."""
    group = CyclicGroup(5)
    rng = np.random.default_rng(0)
    left, right = rng.permutation(6)[:5], rng.permutation(6)[:5]
    basis = GridBasis(group, left, right, (6, 6))
    x = rng.normal(size=(6, 6, 2))
    pairs = rng.random((6, 6)) < 0.7
    found = energies_of(basis, torch.from_numpy(pairs), torch.from_numpy(x.reshape(36, 2)))
    inside = x[left][:, right].reshape(25, 2)
    expected = by_least_squares(group, pairs[left][:, right], inside)
    np.testing.assert_allclose(found.parts.numpy(), expected, rtol=1e-8, atol=1e-10)


def test_constant_units_have_no_parts_and_no_say_in_the_median() -> None:
    group = CyclicGroup(7)
    x = torch.full((49, 3), 1e4)
    x[:, 0] += torch.from_numpy(np.random.default_rng(0).normal(size=49)).float()
    found = energies_of(GridBasis(group), whole(group), x)
    assert found.total[1:].tolist() == [0.0, 0.0]
    assert found.parts[:, 1:].abs().max() == 0.0
    np.testing.assert_allclose(found.median, found.weighted, atol=1e-3)
    none = energies_of(GridBasis(group), whole(group), torch.ones((49, 2)))
    assert none.weighted.isnan().all()
    assert none.median.isnan().all()


def test_float32_activations_give_the_same_shares() -> None:
    group = UnitsModulo(13)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(144, 5)) + 20.0)
    parts = PairParts(GridBasis(group), {"train": half(group), "val": ~half(group)})
    exact = parts.energies(x)
    for split, found in parts.energies(x.float()).items():
        np.testing.assert_allclose(found.weighted, exact[split].weighted, atol=1e-5)


def test_splits_together_are_all_pairs_and_one_without_pairs_is_left_out(name: str) -> None:
    group = GROUPS[name]
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(group.order**2, 3)))
    found = PairParts(GridBasis(group), {"train": half(group), "val": ~half(group)}).energies(x)
    assert list(found) == ["train", "val", "all"]
    for split, pairs in (("train", half(group)), ("val", ~half(group)), ("all", whole(group))):
        np.testing.assert_allclose(found[split].parts, by_least_squares(group, pairs.numpy(), x.numpy()), atol=1e-8)
    alone = PairParts(GridBasis(group), {"train": whole(group), "val": ~whole(group)}).energies(x)
    assert list(alone) == ["train", "all"]
