"""What the logits make of the answer: one coefficient for an irrep, one for each answer, or any function."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from grokscope.analysis.checkpoint.basis import GridBasis
from grokscope.analysis.circuit.answer_spectrum import FORMS, answer_forms, answer_parts, answer_spectrum
from grokscope.config import TaskConfig
from grokscope.groups import CyclicGroup, DihedralGroup, FiniteGroup, SymmetricGroup
from tests.planted import planted_config, planted_weights, write_run
from tests.planted_memory import memory_config, memory_weights

GROUPS: dict[str, FiniteGroup] = {"Z12": CyclicGroup(12), "D5": DihedralGroup(5), "S4": SymmetricGroup(4)}


@pytest.fixture(params=GROUPS)
def group(request: pytest.FixtureRequest) -> FiniteGroup:
    return GROUPS[request.param]


def parts_of(group: FiniteGroup, s: np.ndarray):
    """Of S[g, c], centred over c."""
    basis = GridBasis(group)
    centred = torch.from_numpy(s - s.mean(1, keepdims=True))
    return answer_parts(basis, basis.F.T @ centred)


def at_quotient(group: FiniteGroup, f: np.ndarray) -> np.ndarray:
    """f(g c^-1)."""
    return f[group.table[:, group.inverse]]


def test_characters_have_one_coefficient_each(group: FiniteGroup) -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=len(group.irreps))
    s = sum(w * at_quotient(group, rho.character) for w, rho in zip(weights, group.irreps, strict=True))
    found = parts_of(group, s)
    assert found["coefficient"][1:].to_numpy() == pytest.approx(weights[1:])
    assert found["character"].to_numpy() == pytest.approx(found["power"], abs=1e-12)
    energy = [w**2 * rho.commutant_dim for w, rho in zip(weights[1:], group.irreps[1:], strict=True)]
    assert found["power"][1:].to_numpy() == pytest.approx(np.array(energy) / sum(energy))
    assert found["spread"][1:].to_numpy() == pytest.approx(0.0, abs=1e-9)


def test_a_detector_of_each_answer_is_all_characters_by_their_dimensions(group: FiniteGroup) -> None:
    n = group.order
    found = parts_of(group, 3.0 * np.eye(n))
    spans = np.array([rho.span_dim for rho in group.irreps[1:]])
    assert found["power"][1:].to_numpy() == pytest.approx(spans / (n - 1))
    assert found["character"].sum() == pytest.approx(1.0)
    coefficients = [3.0 * rho.dim / (rho.commutant_dim * n) for rho in group.irreps[1:]]
    assert found["coefficient"][1:].to_numpy() == pytest.approx(coefficients)


def test_heights_of_their_own_are_by_answer() -> None:
    """w(c) chi_3(g - c) with w = 1 + cos(2 pi 2 c / 12) / 2, whose mean over c is zero at every g."""
    group = CyclicGroup(12)
    height = 1 + 0.5 * np.cos(2 * np.pi * 2 * np.arange(12) / 12)
    found = parts_of(group, height * at_quotient(group, group.irrep("k=3").character))
    by_name = dict(zip([rho.name for rho in group.irreps], found.to_dict("records"), strict=True))
    row = by_name["k=3"]
    assert row["power"] == pytest.approx(1.0)
    # Of the mean square 1 + 1/8 of the heights, 1 is that of their mean.
    assert row["character"] == pytest.approx(1 / 1.125)
    assert row["by_answer"] == pytest.approx(0.125 / 1.125)
    assert row["dense"] == pytest.approx(0.0, abs=1e-12)
    assert row["spread"] == pytest.approx(0.125**0.5)


def test_phases_of_their_own_are_dense() -> None:
    """cos(w (g - c) + phase): the share cos^2 of it is a character's, and the rest in no character's direction."""
    group = CyclicGroup(12)
    angle = 2 * np.pi * 2 * np.subtract.outer(np.arange(12), np.arange(12)) / 12
    found = parts_of(group, np.cos(angle + 0.4))
    assert found["character"].sum() == pytest.approx(np.cos(0.4) ** 2)
    assert found["dense"].sum() == pytest.approx(np.sin(0.4) ** 2)


def test_parts_sum_to_power_and_powers_to_one_and_agree_with_least_squares(group: FiniteGroup) -> None:
    n = group.order
    s = np.random.default_rng(1).normal(size=(n, n))
    found = parts_of(group, s)
    assert found["power"].sum() == pytest.approx(1.0)
    assert found[list(FORMS)].sum(axis=1).to_numpy() == pytest.approx(found["power"], abs=1e-12)
    centred = s - s.mean(1, keepdims=True)
    centred -= centred.mean(0)
    for index, rho in enumerate(group.irreps[1:], 1):
        chi = at_quotient(group, rho.character)
        alone = (centred * chi).sum() ** 2 / (chi**2).sum()
        each = ((centred * chi).sum(0) ** 2 / (chi**2).sum(0)).sum()
        row = found.iloc[index]
        assert row["character"] == pytest.approx(alone / (centred**2).sum())
        assert row["character"] + row["by_answer"] == pytest.approx(each / (centred**2).sum())


def test_random_functions_are_dense_and_have_by_answer_what_chance_gives(group: FiniteGroup) -> None:
    n = group.order
    draws = [parts_of(group, np.random.default_rng(i).normal(size=(n, n))) for i in range(200)]
    kept = np.mean([(table["character"] + table["by_answer"]).to_numpy() for table in draws], axis=0)
    power = np.mean([table["power"].to_numpy() for table in draws], axis=0)
    spans = np.array([rho.span_dim for rho in group.irreps[1:]])
    assert kept[1:] / power[1:] == pytest.approx(1 / spans, rel=0.1)
    assert np.mean([table["character"].sum() for table in draws]) < 2 / n


def test_planted_networks_speak_in_the_characters_that_were_planted(tmp_path: Path) -> None:
    irreps = {"k=2": 1.0, "k=3": 2.0}
    config = planted_config(irreps, TaskConfig(name="add", modulus=13))
    table = answer_spectrum(write_run(tmp_path / "run", config, {0: planted_weights(config, irreps, 0.7)}))
    own = table[table["basis"] == "own"].set_index("irrep")
    assert own.loc["k=2", "power"] == pytest.approx(1 / 17)
    assert own.loc["k=3", "power"] == pytest.approx(16 / 17)
    forms = answer_forms(table).set_index("basis")
    assert forms.loc["own", "form"] == "character"
    assert forms.loc["own", "irreps"] == pytest.approx(1 / (1 / 17**2 + 16**2 / 17**2))
    assert forms.loc["wrong", "form"] == "dense"


def test_a_look_up_table_of_every_pair_is_a_detector_of_each_answer(tmp_path: Path) -> None:
    """Few frequencies go in, and all come out; heights differ as much as the shares of trained pairs do."""
    irreps = {"k=2": 1.0, "k=3": 1.0}
    config = memory_config(irreps, TaskConfig(name="add", modulus=13))
    table = answer_spectrum(write_run(tmp_path / "run", config, {0: memory_weights(config, irreps, 0.0, 5.0)}))
    own = table[table["basis"] == "own"]
    assert own["power"].to_numpy() == pytest.approx(1 / 6, abs=0.05)
    assert answer_forms(own)["form"].item() == "character"


def test_logits_that_do_not_vary_have_no_power_and_no_form(tmp_path: Path) -> None:
    irreps = {"k=2": 1.0, "k=3": 1.0}
    config = planted_config(irreps, TaskConfig(name="add", modulus=13))
    table = answer_spectrum(write_run(tmp_path / "run", config, {0: planted_weights(config, irreps, 0.0)}))
    assert (table[["power", *FORMS, "coefficient"]] == 0).all(axis=None)
    assert table["spread"].isna().all()
    assert (answer_forms(table)["form"] == "").all()
