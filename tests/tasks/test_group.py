"""The group task: labels are products, however the group is given."""

from __future__ import annotations

import itertools
import json
import random
import tomllib

import numpy as np
import pytest
import torch
from sympy.combinatorics import Permutation

from grokscope.config import ConfigError, RunConfig, TaskConfig, from_dict, preset, to_dict
from grokscope.runs import create_run, open_run, run_name
from grokscope.tasks import build_task
from grokscope.training import train

S3 = tuple(itertools.permutations(range(3)))
SHUFFLED_S4 = tuple(random.Random(4).sample(list(itertools.permutations(range(4))), 24))
A4 = tuple(row for row in SHUFFLED_S4 if Permutation(list(row)).is_even)
Q8 = (
    (0, 1, 2, 3, 4, 5, 6, 7), (1, 0, 3, 2, 5, 4, 7, 6), (2, 3, 1, 0, 6, 7, 5, 4), (3, 2, 0, 1, 7, 6, 4, 5),
    (4, 5, 7, 6, 1, 0, 2, 3), (5, 4, 6, 7, 0, 1, 3, 2), (6, 7, 4, 5, 3, 2, 1, 0), (7, 6, 5, 4, 2, 3, 0, 1),
)  # fmt: skip
"""1, -1, i, -i, j, -j, k, -k."""

CONFIGS = {
    **{name: {"group": name} for name in ("Z7", "D6", "S4", "A4", "Z3xS3", "D2xZ3")},
    "S4 ab": {"group": "S4", "product": "ab"},
    "elements": {"elements": SHUFFLED_S4},
    "elements ab": {"elements": SHUFFLED_S4, "product": "ab"},
    "even": {"elements": A4},
    "table": {"table": Q8},
}


def task_of(form="x_op_y_eq", **given):
    return build_task(TaskConfig(name="group", form=form, **given))


def pairs(task):
    """(a, b, label) of every example."""
    operands = task.tokens[:, list(task.operand_positions)]
    return [(*ab, label) for ab, label in zip(operands.tolist(), task.labels.tolist(), strict=True)]


@pytest.mark.parametrize("product", ["ab", "ba"])
@pytest.mark.parametrize("rows", [S3, SHUFFLED_S4, A4], ids=["S3", "shuffled S4", "A4"])
def test_labels_of_elements_are_the_composition_that_the_product_names(rows, product):
    index = {row: i for i, row in enumerate(rows)}
    found = pairs(task_of(elements=rows, product=product))
    assert len(found) == len(rows) ** 2
    for a, b, label in found:
        first, then = (rows[a], rows[b]) if product == "ba" else (rows[b], rows[a])
        # sympy's product applies the left factor first.
        assert label == index[tuple((Permutation(list(first)) * Permutation(list(then))).array_form)]


def test_labels_of_a_table_are_its_entries_and_follow_quaternion_multiplication():
    task = task_of(table=Q8)
    assert [label for _, _, label in pairs(task)] == [entry for row in Q8 for entry in row]
    one, i, j = np.eye(2), np.array([[1j, 0], [0, -1j]]), np.array([[0, 1], [-1, 0]])
    units = [sign * unit for unit in (one, i, j, i @ j) for sign in (1, -1)]
    for a, b, label in pairs(task):
        assert np.allclose(units[a] @ units[b], units[label])


def test_labels_of_named_groups_follow_their_conventions():
    for a, b, label in pairs(task_of(group="Z7")):
        assert label == (a + b) % 7
    # D6: element i is r^i, element 6 + i is r^i s; as maps of the corners of a hexagon, right factor first.
    corner = [lambda x, i=i: (x + i) % 6 for i in range(6)] + [lambda x, i=i: (i - x) % 6 for i in range(6)]
    for a, b, label in pairs(task_of(group="D6")):
        assert all(corner[label](x) == corner[a](corner[b](x)) for x in range(6))
    rows = list(itertools.permutations(range(3)))
    for a, b, label in pairs(task_of(group="Z3xS3")):
        (x, p), (y, q) = divmod(a, 6), divmod(b, 6)
        assert label == (x + y) % 3 * 6 + rows.index(tuple(rows[q][rows[p][i]] for i in range(3)))


@pytest.mark.parametrize("form", ["x_op_y_eq", "x_y_eq"])
def test_s5_by_name_is_the_published_permutation_task(form):
    named = task_of(form, group="S5")
    published = build_task(TaskConfig(name="permutation", degree=5, form=form))
    listed = task_of(form, elements=tuple(itertools.permutations(range(5))))
    for other in (published, listed):
        assert torch.equal(named.tokens, other.tokens)
        assert torch.equal(named.labels, other.labels)
        assert named.token_names == other.token_names
        assert named.group.irrep_names == other.group.irrep_names
        for one, two in zip(named.group.irreps, other.group.irreps, strict=True):
            assert np.array_equal(one.matrices, two.matrices)


def test_the_permutation_task_has_both_products():
    one = build_task(TaskConfig(name="permutation", degree=4, product="ab"))
    other = task_of(group="S4", product="ab")
    assert torch.equal(one.labels, other.labels)
    assert torch.equal(
        one.labels.view(24, 24), build_task(TaskConfig(name="permutation", degree=4)).labels.view(24, 24).T
    )


@pytest.mark.parametrize("given", CONFIGS.values(), ids=CONFIGS)
def test_irreps_are_homomorphisms_under_the_task_product(given):
    task = task_of(**given)
    group = task.group
    for a, b, label in random.Random(0).sample(pairs(task), 200 if task.n_examples > 200 else task.n_examples):
        for irrep in group.irreps:
            assert np.allclose(irrep.matrices[a] @ irrep.matrices[b], irrep.matrices[label])
    assert sum(irrep.span_dim for irrep in group.irreps) == group.order


@pytest.mark.parametrize("form", ["x_op_y_eq", "x_y_eq"])
@pytest.mark.parametrize("given", CONFIGS.values(), ids=CONFIGS)
def test_tokens_are_the_elements_then_equals_then_the_operation(given, form):
    task = task_of(form, **given)
    n = task.group.order
    assert task.token_names == (*task.group.labels, "=", *(["o"] if form == "x_op_y_eq" else []))
    assert (task.n_answers, task.n_positions) == (n, len(task.tokens[0]))
    middle = [n + 1] if form == "x_op_y_eq" else []
    assert task.tokens.tolist() == [[a, *middle, b, n] for a in range(n) for b in range(n)]
    left, right = task.operand_elements
    assert left.tolist() == right.tolist() == [*range(n), *[-1] * (task.d_vocab - n)]


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        (
            {"elements": S3[:4]},
            ["task.elements", "not closed", "[1, 0, 2] then [0, 2, 1] gives [2, 0, 1]", "closed under composition"],
        ),
        ({"elements": ((1, 0, 2), (0, 2, 1))}, ["task.elements", "not closed"]),
        ({"table": ((1, 0), (0, 1))[::-1]}, []),
        ({"table": ((1, 2, 0), (2, 0, 1), (0, 1, 2))}, []),
        ({"table": ((0, 2, 1), (1, 0, 2), (2, 1, 0))}, ["task.table", "no identity", "Cayley table of a group"]),
        (
            {"table": ((0, 1, 2, 3, 4), (1, 0, 3, 4, 2), (2, 4, 0, 1, 3), (3, 2, 4, 0, 1), (4, 3, 1, 2, 0))},
            ["task.table", "not associative", "("],
        ),
    ],
)
def test_what_is_no_group_is_refused_when_the_task_is_built(given, parts):
    if not parts:
        assert task_of(**given).group.order == len(given["table"])
        return
    with pytest.raises(ConfigError) as caught:
        task_of(**given)
    for part in parts:
        assert part in str(caught.value)


def toml(config: RunConfig) -> str:
    """The config as TOML; None, which TOML has not, is left out."""
    values = to_dict(config)
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items() if not isinstance(value, dict)]
    for section, fields in values.items():
        if isinstance(fields, dict):
            lines += [f"[{section}]", *(f"{k} = {json.dumps(v)}" for k, v in fields.items() if v is not None)]
    return "\n".join(lines)


@pytest.mark.parametrize("given", CONFIGS.values(), ids=CONFIGS)
def test_a_group_survives_toml_and_a_manifest(given, tmp_path):
    config = RunConfig(task=TaskConfig(name="group", **given))
    assert from_dict(tomllib.loads(toml(config))) == config
    assert hash(config) == hash(from_dict(tomllib.loads(toml(config))))
    with create_run(tmp_path / "run", config) as writer:
        writer.finish("finished")
    run = open_run(tmp_path / "run")
    assert run.config == config
    assert torch.equal(run.task.labels, build_task(config.task).labels)


def test_runs_of_different_groups_have_different_names():
    configs = [RunConfig(task=TaskConfig(name="group", **given)) for given in CONFIGS.values()]
    names = [run_name(config) for config in [*configs, preset("s5-lion-clip")]]
    assert len(set(names)) == len(names)
    assert names[1] == "group-d6-custom-seed0"


def test_a_network_is_trained_on_d6(tmp_path):
    small = {"steps": 20, "d_model": 16, "n_heads": 2, "d_mlp": 32, "batch_size": 32}
    run = train(
        preset("s5-lion-clip", **{"task.name": "group", "group": "D6"}, **small), tmp_path / "run", progress=False
    )
    assert run.status == "finished"
    assert run.task.group.name == "D6"
    assert run.metrics["train_loss"].iloc[-1] < run.metrics["train_loss"].iloc[0]


@pytest.mark.parametrize("indices", [(), (3, 0, 35), tuple(range(36))])
def test_given_train_indices_are_the_split_whatever_the_seed(indices):
    task = task_of(group="S3", train_indices=indices)
    for seed in (0, 1):
        train_side, val_side = task.split(0.5, seed)
        assert tuple(train_side.tolist()) == indices
        assert val_side.tolist() == [i for i in range(36) if i not in indices]
        assert train_side.dtype == val_side.dtype == torch.int64


def test_train_indices_that_the_task_has_not_are_refused():
    with pytest.raises(ConfigError, match=r"task\.train_indices = 36 is not accepted: .* 0 to 35"):
        task_of(group="S3", train_indices=(0, 36)).split(0.5, 0)


@pytest.mark.parametrize("indices", [(), tuple(range(36))])
def test_training_needs_examples_on_both_sides(indices, tmp_path):
    config = preset("s5-lion-clip", **{"task.name": "group", "group": "S3", "train_indices": indices})
    with pytest.raises(ConfigError, match=rf"task\.train_indices names {len(indices)} of 36 examples"):
        train(config, tmp_path / "run", progress=False)
    assert list(tmp_path.iterdir()) == []
