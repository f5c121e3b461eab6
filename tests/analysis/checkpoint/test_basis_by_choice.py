"""Bases by choice: the operands of any two-operand task read as residues, and what does not apply there says so."""

from __future__ import annotations

import numpy as np
import pytest

from grokscope.analysis.checkpoint.frames import frames
from grokscope.analysis.tables.declared import analyses
from grokscope.analysis.tables.registry import applicable, run_all
from grokscope.config import TaskConfig
from grokscope.runs import RunError
from grokscope.tasks import build_task

READABLE = {"spectra", "neurons", "keys", "neuron_tuning", "circles", "embedding_planes"}
EXPRESSION = {"task.name": "expression", "task.expression": "x^2 + x*y + y^2"}


def test_frames_of_a_choice_are_the_residues_and_the_other_arithmetic_is_the_control():
    task = build_task(TaskConfig(name="expression", expression="x^2 + x*y + y^2", modulus=7))
    own, wrong = frames(task, "additive")
    assert (own.basis, own.group.name, wrong.basis, wrong.group.name) == ("own", "Z7", "wrong", "units mod 7")
    for place in (own.left, own.right, own.answer):
        assert place.tolist() == list(range(7))
    # The units mod 7 by powers of 3, the smallest primitive root.
    assert wrong.left.tolist() == [pow(3, k, 7) for k in range(6)]
    own, wrong = frames(task, "multiplicative")
    assert (own.group.name, wrong.group.name) == ("units mod 7", "Z7")
    (only,) = frames(build_task(TaskConfig(name="expression", expression="x*y + x^2", modulus=12)), "additive")
    assert (only.basis, only.group.name) == ("own", "Z12")


@pytest.mark.parametrize(
    ("config", "choice", "why"),
    [
        (TaskConfig(name="add", modulus=12), "multiplicative", "12 is not an odd prime"),
        (TaskConfig(name="parity"), "additive", "two operands that are numbers"),
        (TaskConfig(name="table", labels=[[0, 1, 1], [1, 0, 1]]), "additive", "here 0 to 1"),  # type: ignore[arg-type]
    ],
)
def test_a_basis_that_does_not_fit_says_why(config, choice, why):
    with pytest.raises(ValueError, match=why):
        frames(build_task(config), choice)


@pytest.mark.parametrize(
    ("changes", "basis"), [(EXPRESSION, "additive"), ({"task.name": "square_sub"}, "multiplicative")]
)
def test_what_reads_operands_is_made_and_what_reads_products_says_why_not(write_run, changes, basis):
    run = write_run(**changes).in_basis(basis)
    assert READABLE.issubset(applicable(run))
    assert {name for name in applicable(run) if analyses()[name].family in ("fourier", "subgroups")} == READABLE
    tables = run_all(run, only=sorted(READABLE))
    assert set(tables["spectra"]["basis"]) == {"own", "wrong"}
    assert set(tables["neuron_tuning"]["by"]) == {"irrep"}
    for name in ("restricted_loss", "answer_share", "clock_pizza", "ablation"):
        with pytest.raises(ValueError, match=f"{name} looks at answers as products .* does not apply .*{basis}"):
            run_all(run, only=[name])
    assert not READABLE & set(applicable(run.in_basis(None)))


def test_the_spectrum_of_the_embedding_is_that_of_a_plain_fourier_transform(write_run):
    run = write_run(**EXPRESSION)
    table = run_all(run.in_basis("additive"), only=["spectra"])["spectra"]
    last = table.loc[(table["step"] == run.steps[-1]) & (table["site"] == "embed") & (table["basis"] == "own")]
    n = run.task.n_answers
    embedding = run.weights(-1)["embed.W_E"][:n].double().numpy()
    energy = np.abs(np.fft.rfft(embedding, axis=0)[1:]) ** 2
    expected = energy.sum(1) / energy.sum()
    assert last.loc[last["part"] == "left", "power"].to_numpy() == pytest.approx(expected, rel=1e-5)


def test_tables_of_a_choice_are_kept_apart_from_those_of_the_tasks_own_group(write_run):
    run = write_run(**{"task.name": "mul"})
    own = run_all(run, only=["spectra"])["spectra"]
    chosen = run_all(run.in_basis("additive"), only=["spectra"])["spectra"]
    assert own.loc[own["basis"] == "own", "group"].iloc[0] != chosen.loc[chosen["basis"] == "own", "group"].iloc[0]
    assert run_all(run, only=["spectra"])["spectra"].equals(own)


def test_a_basis_that_does_not_exist_is_refused(write_run):
    with pytest.raises(RunError, match="basis = 'fourier' is not accepted: use additive or multiplicative"):
        write_run().in_basis("fourier")


@pytest.mark.parametrize("name", ["add", "sub"])
def test_sums_modulo_a_composite_number_are_read_in_their_own_group_without_a_wrong_one(write_run, name):
    run = write_run(**{"task.name": name, "modulus": 12})
    names = {each for each in applicable(run) if analyses()[each].family in ("fourier", "subgroups")}
    assert {"spectra", "restricted_loss", "cosets"} <= names
    tables = run_all(run, only=["spectra", "restricted_loss"])
    assert set(tables["spectra"]["basis"]) == {"own"}
    assert set(tables["spectra"]["group"]) == {"Z12"}
