"""Every task's table of examples against a definition computed another way."""

from __future__ import annotations

import operator
from collections.abc import Callable
from itertools import permutations, product
from typing import get_args

import pytest
import sympy
import torch
from sympy.combinatorics import Permutation

from grokscope.config import ConfigError, TaskConfig
from grokscope.config.task import Form, TaskName
from grokscope.tasks import BUILDERS, Task, build_task

SYMBOL = {"add": "+", "sub": "-", "mul": "*", "div": "/", "square_sub": "^2-"}


def _by_search(condition: Callable[[int], bool], p: int) -> int:
    """The one answer among 0 .. p-1 that fits: no inverse, no remainder of a negative number is computed."""
    found = [z for z in range(p) if condition(z)]
    assert len(found) == 1
    return found[0]


DEFINITIONS: dict[str, Callable[[int, int, int], int]] = {
    "add": lambda x, y, p: divmod(x + y, p)[1],
    "sub": lambda x, y, p: _by_search(lambda z: divmod(z + y, p)[1] == x, p),
    "mul": lambda x, y, p: divmod(sum([x] * y), p)[1],
    "div": lambda x, y, p: _by_search(lambda z: divmod(z * y, p)[1] == x, p),
    "square_sub": lambda x, y, p: _by_search(lambda z: divmod(z + y, p)[1] == divmod(sum([x] * x), p)[1], p),
}


def _pairs(name: str, p: int) -> list[tuple[int, int]]:
    return [(x, y) for x in range(p) for y in range(p) if y != 0 or name not in ("mul", "div")]


def _rows(task: Task) -> list[tuple[list[str], str]]:
    """Examples in words: names of the tokens, name of the answer."""
    names = task.token_names
    return [
        ([names[t] for t in tokens], names[label])
        for tokens, label in zip(task.tokens.tolist(), task.labels.tolist(), strict=True)
    ]


@pytest.mark.parametrize("form", get_args(Form))
@pytest.mark.parametrize("p", [2, 3, 5, 13])
@pytest.mark.parametrize("name", DEFINITIONS)
def test_modular_tables_agree_with_their_definition(name, p, form):
    task = build_task(TaskConfig(name=name, modulus=p, form=form))
    expected = []
    for x, y in _pairs(name, p):
        middle, end = [SYMBOL[name]] if form == "x_op_y_eq" else [], [] if form == "x_y" else ["="]
        expected.append(([str(x), *middle, str(y), *end], str(DEFINITIONS[name](x, y, p))))
    assert _rows(task) == expected
    assert task.d_vocab == p + {"x_op_y_eq": 2, "x_y_eq": 1, "x_y": 0}[form]
    assert [task.token_names[task.tokens[-1, at]] for at in task.operand_positions] == [str(p - 1)] * 2


@pytest.mark.parametrize("name", DEFINITIONS)
def test_division_by_97_and_its_kin_agree_with_field_arithmetic(name):
    p, field = 97, sympy.GF(97, symmetric=False)
    task = build_task(TaskConfig(name=name, modulus=p))
    operation = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv}
    operation["square_sub"] = lambda a, b: a**2 - b
    x, _, y, _ = task.tokens.unbind(1)
    expected = [int(operation[name](field(a), field(b))) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    assert task.labels.tolist() == expected
    assert task.n_examples == p * (p - 1 if name in ("mul", "div") else p)
    assert task.n_answers == p
    assert task.d_vocab == p + 2


def test_square_sub_agrees_with_python_integers_and_has_one_token_for_its_operation():
    p = 97
    task = build_task(TaskConfig(name="square_sub"))
    assert task.labels.tolist() == [(a * a - b) % p for a in range(p) for b in range(p)]
    assert task.tokens.tolist() == [[a, p + 1, b, p] for a in range(p) for b in range(p)]
    assert task.token_names == (*map(str, range(p)), "=", "^2-")
    assert task.name == "square_sub mod 97"
    short = build_task(TaskConfig(name="square_sub", form="x_y_eq"))
    assert short.tokens.tolist() == [[a, b, p] for a in range(p) for b in range(p)]
    assert torch.equal(short.labels, task.labels)


@pytest.mark.parametrize(
    "operations",
    [("add", "sub", "mul", "div"), ("div", "add"), ("mul",), ("square_sub",), ("add", "square_sub", "mul")],
)
@pytest.mark.parametrize("p", [2, 5])
def test_a_mixture_holds_each_operation_once_with_a_token_of_its_own(operations, p):
    task = build_task(TaskConfig(name="mixed", modulus=p, operations=operations))
    expected = [
        ([str(x), SYMBOL[name], str(y), "="], str(DEFINITIONS[name](x, y, p)))
        for name in operations
        for x, y in _pairs(name, p)
    ]
    assert _rows(task) == expected
    assert task.token_names == (*map(str, range(p)), "=", *(SYMBOL[name] for name in operations))
    assert len(set(task.token_names)) == task.d_vocab == p + 1 + len(operations)


@pytest.mark.parametrize("form", get_args(Form))
@pytest.mark.parametrize("degree", [3, 4])
def test_permutation_table_is_first_a_then_b(degree, form):
    task = build_task(TaskConfig(name="permutation", degree=degree, form=form))
    elements = list(permutations(range(degree)))
    word = {e: "".join(map(str, e)) for e in elements}
    middle, end = ["o"] if form == "x_op_y_eq" else [], [] if form == "x_y" else ["="]
    expected = []
    for a, b in product(elements, elements):
        first_a_then_b = tuple(b[a[i]] for i in range(degree))
        expected.append(([word[a], *middle, word[b], *end], word[first_a_then_b]))
    assert _rows(task) == expected


@pytest.mark.parametrize("degree", [5, 6])
def test_large_permutation_tables_agree_with_sympy(degree):
    task = build_task(TaskConfig(name="permutation", degree=degree))
    elements = list(permutations(range(degree)))
    index = {e: i for i, e in enumerate(elements)}
    assert task.n_examples == len(elements) ** 2
    chosen = torch.randperm(task.n_examples, generator=torch.Generator().manual_seed(0))[:500]
    for tokens, label in zip(task.tokens[chosen].tolist(), task.labels[chosen].tolist(), strict=True):
        a, b = elements[tokens[0]], elements[tokens[2]]
        # sympy's product applies the left factor first.
        assert index[tuple((Permutation(a) * Permutation(b)).array_form)] == label


@pytest.mark.parametrize(("bits", "k"), [(1, 1), (4, 1), (4, 3), (6, 6), (10, 3)])
@pytest.mark.parametrize("form", get_args(Form))
def test_parity_table_is_the_parity_of_the_first_bits(bits, k, form):
    task = build_task(TaskConfig(name="parity", bits=bits, parity_bits=k, form=form))
    end = [] if form == "x_y" else ["="]
    expected = [
        ([*text, *end], str(text[:k].count("1") & 1)) for text in (format(i, f"0{bits}b") for i in range(2**bits))
    ]
    assert _rows(task) == expected
    assert task.operand_positions == tuple(range(bits))
    assert (task.n_positions, task.n_answers, task.d_vocab) == (bits + len(end), 2, 2 + len(end))


ALL_TASKS = [
    *(TaskConfig(name=name, modulus=7, form=form) for name in DEFINITIONS for form in ("x_op_y_eq", "x_y_eq")),
    TaskConfig(name="mixed", modulus=5),
    TaskConfig(name="mixed", modulus=5, operations=("square_sub", "sub")),
    TaskConfig(name="permutation", degree=3),
    TaskConfig(name="permutation", degree=3, form="x_y_eq"),
    TaskConfig(name="parity", bits=5),
]


@pytest.mark.parametrize("config", ALL_TASKS, ids=lambda c: f"{c.name}-{c.form}")
def test_a_table_is_int64_distinct_and_ends_in_equals(config):
    task = build_task(config)
    assert task.tokens.dtype == task.labels.dtype == torch.int64
    assert len(set(map(tuple, task.tokens.tolist()))) == task.n_examples == len(task.labels)
    assert {task.token_names[t] for t in task.tokens[:, -1].tolist()} == {"="}
    assert 0 <= int(task.labels.min()) <= int(task.labels.max()) < task.n_answers
    assert int(task.tokens.max()) < task.d_vocab
    # Operands, and they alone, hold answer tokens.
    for position in range(task.n_positions):
        column = task.tokens[:, position]
        assert bool((column < task.n_answers).all()) == (position in task.operand_positions)


@pytest.mark.parametrize("config", ALL_TASKS, ids=lambda c: f"{c.name}-{c.form}")
def test_building_a_task_twice_gives_the_same_table(config):
    first, second = build_task(config), build_task(config)
    assert torch.equal(first.tokens, second.tokens)
    assert torch.equal(first.labels, second.labels)


def test_every_name_that_a_config_accepts_has_a_builder_and_no_other_has():
    assert set(BUILDERS) == set(get_args(TaskName))


def test_a_name_without_a_builder_is_refused_and_not_taken_for_another_task():
    config = TaskConfig(name="mul", modulus=5)
    object.__setattr__(config, "name", "power")  # as a name that was added to the config alone
    with pytest.raises(ConfigError, match=r"task\.name = 'power' has no builder: use one of add, .*parity"):
        build_task(config)
