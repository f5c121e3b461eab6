"""What each neuron answers to: planted neurons in closed form, and others as the table of neurons has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grokscope.analysis.circuit.neuron_tuning import neuron_tuning, sorted_by_best
from grokscope.analysis.circuit.neurons import neurons
from grokscope.config import RunConfig, TaskConfig, override
from grokscope.model import initial_weights
from grokscope.tasks import build_task
from tests.planted import LINEAR, planted_config, planted_weights, write_run


@pytest.mark.parametrize(
    ("task", "irreps"),
    [
        (TaskConfig(name="add", modulus=13), {"k=2": 1.0, "k=3": 1.0}),
        (TaskConfig(name="permutation", degree=4), {"standard": 1.0}),
    ],
    ids=["add mod 13", "S4"],
)
def test_neurons_of_one_pair_answer_to_its_product_and_linear_ones_to_their_irrep(
    tmp_path: Path, task: TaskConfig, irreps: dict[str, float]
) -> None:
    config = planted_config(irreps, task)
    table = neuron_tuning(write_run(tmp_path / "run", config, {0: planted_weights(config, irreps)}))
    group = build_task(task).operations[0].group
    n = group.order
    by_answer = table[table["by"] == "answer"].pivot(index="neuron", columns="at", values="value").to_numpy()
    a, b = np.divmod(np.arange(n * n), n)
    # 1 at one of the n pairs of its answer: 1 / n there, less the mean 1 / n^2, over the deviation of one of n^2.
    expected = np.where(np.eye(n, dtype=bool)[group.table[a, b]], n - 1, -1) / np.sqrt(n**2 - 1)
    assert by_answer[: n * n] == pytest.approx(expected)
    best = table[(table["by"] == "answer") & (table["neuron"] < n * n)].sort_values(["neuron", "value"])
    places = best.groupby("neuron").last()
    order = places.sort_values("place")["at"].to_numpy()
    assert (np.diff(order) >= 0).all()  # those of the first answer first
    by_irrep = table[table["by"] == "irrep"].pivot(index="neuron", columns="label", values="value")
    for i, name in enumerate(irreps):
        label = name.removeprefix("k=")
        for j in range(LINEAR):
            assert by_irrep.loc[n * n + LINEAR * i + j, label] == pytest.approx(1.0)


def test_first_and_last_layer_are_those_of_the_table_of_neurons(tmp_path: Path) -> None:
    config = override(
        RunConfig(), {"modulus": 7, "n_layers": 2, "d_model": 8, "n_heads": 2, "d_mlp": 16, "dtype": "float64"}
    )
    weights = dict(initial_weights(config.model, build_task(config.task), 0))
    dead = {name: weights[name].clone() for name in ("blocks.0.mlp.W_in", "blocks.0.mlp.b_in")}
    dead["blocks.0.mlp.W_in"][:, 3] = 0.0
    run = write_run(tmp_path / "run", config, {0: {**weights, **dead}, 10: {**weights, **dead}})
    table = neuron_tuning(run)
    assert set(table["step"]) == {10}
    assert set(zip(table["by"], table["layer"], strict=True)) == {("irrep", 0), ("answer", 1)}
    first = table[table["by"] == "irrep"]
    assert set(first["neuron"]) == set(range(16)) - {3}  # one that does not vary has no tuning
    expected = neurons(run).query("step == 10 and basis == 'own' and layer == 0").set_index("neuron")["share"]
    largest = first.groupby("neuron")["value"].max()
    assert largest.to_numpy() == pytest.approx(expected.loc[largest.index].to_numpy())
    assert sorted(first["place"].unique()) == list(range(15))
    last = table[table["by"] == "answer"]
    assert set(last["label"]) == {"1", "2", "3", "4", "5", "6"}
    assert last.groupby("neuron")["value"].mean().to_numpy() == pytest.approx(0.0, abs=1e-9)


def test_neurons_are_sorted_by_where_they_are_largest_and_then_by_how_much() -> None:
    values = np.array([[0.1, 0.9, 0.2, 0.8], [0.5, 0.0, 0.7, 0.1]])
    assert sorted_by_best(values).tolist() == [1, 3, 2, 0]
