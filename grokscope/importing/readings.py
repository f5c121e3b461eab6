"""Other ways in which the same weights can be read: another product, order, task, activation or layout.

Shapes do not tell the activation, where the residual stream is normalised, in which order permutations are listed and
multiplied, and which token is `=`. A network that is good at its task and seems not to be so has been read in the
wrong way, and may be good in one of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from grokscope.config import ConfigError, RunConfig, override
from grokscope.config.model import Activation
from grokscope.config.task import Operation
from grokscope.groups.names import factors, order_of
from grokscope.importing.fitting import reordered
from grokscope.model import Weights
from grokscope.tasks import Task, build_task

EXPRESSIONS = ("y - x", "y/x", "x^2 + y^2", "x^2 + x*y + y^2", "x^2 + x*y + y^2 + x", "x^3 + x*y", "x^3 + x*y^2 + y")
"""Operations of the literature (Power et al. 2022) that have no name here, and the named ones with operands swapped."""


@dataclass(frozen=True)
class Reading:
    """The same weights under other settings."""

    words: str
    """What is different, as "task.product = ab"."""
    config: RunConfig
    weights: Weights


def other_readings(config: RunConfig, task: Task, weights: Weights) -> Iterator[Reading]:
    """All that are tried, the likeliest first; those that come to the same task are left out."""
    yield from _other_networks(config, task, weights)
    seen = {_labels(task)}
    for words, changes in _other_tasks(config, task):
        try:
            other = override(config, changes)
            built = build_task(other.task)
        except ConfigError:  # one that this modulus or order does not have
            continue
        labels = _labels(built)
        if built.d_vocab == task.d_vocab and built.n_answers == task.n_answers and labels not in seen:
            seen.add(labels)
            yield Reading(words, other, weights)


def _labels(task: Task) -> bytes:
    return task.tokens.numpy().tobytes() + task.labels.numpy().tobytes()


def _other_networks(config: RunConfig, task: Task, weights: Weights) -> Iterator[Reading]:
    model = config.model
    for activation in get_args(Activation):
        if activation != model.activation:
            other = override(config, {"activation": activation})
            yield Reading(f"model.activation = {activation}", other, weights)
    if model.normalization == "LN":
        residual = "pre_ln" if model.residual == "normed" else "normed"
        yield Reading(f"model.residual = {residual}", override(config, {"residual": residual}), weights)
    if task.d_vocab == task.n_answers + 2:
        equals = task.n_answers + 1
        yield Reading(f"equals = {equals}", config, reordered(weights, task, equals))


def _other_tasks(config: RunConfig, task: Task) -> Iterator[tuple[str, dict[str, Any]]]:
    """Settings of other tasks with as many elements, in words and as changes."""
    own = config.task
    if own.is_permutations:
        yield from _other_orders(config)
    elif own.name == "group" and task.group is not None:
        swapped = tuple(tuple(map(int, row)) for row in task.group.table.T)
        yield "the operands swapped (task.table, turned)", _as_group(table=swapped)
    if own.name in (*get_args(Operation), "expression"):
        for name in get_args(Operation):
            if name != own.name:
                yield f"task.name = {name}", {"task.name": name, "task.expression": None}
        for expression in EXPRESSIONS:
            changes = {"task.name": "expression", "task.expression": expression}
            yield f"task.expression = {expression!r}", changes
    if own.name in (*get_args(Operation), "permutation", "group"):
        for name in _groups_of_order(task.n_answers):
            yield f"task.name = group, task.group = {name}", _as_group(group=name)


def _other_orders(config: RunConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    """Permutations multiplied the other way round, or listed in another order, under either product.

    The orders: lexicographic; the given one from its end; the inverse of the given one, where the element at place i is
    the given one's place of element i in lexicographic order.
    """
    own = config.task
    products = {"ba": "ab", "ab": "ba"}
    yield f"task.product = {products[own.product]}", {"task.product": products[own.product]}
    if own.elements is not None:
        given = tuple(tuple(element) for element in own.elements)
    else:
        named = build_task(own).group
        assert named is not None
        given = tuple(tuple(map(int, element)) for element in named.permutations)  # type: ignore[attr-defined]
    ordered = tuple(sorted(given))
    place = {element: number for number, element in enumerate(ordered)}
    inverse = [0] * len(given)
    for number, element in enumerate(given):
        inverse[place[element]] = number
    orders = {
        "in lexicographic order": ordered,
        "in the inverse order": tuple(ordered[number] for number in inverse),
        "in the reverse order": tuple(reversed(given)),
    }
    for words, elements in orders.items():
        for product in (own.product, products[own.product]):
            changed = "" if product == own.product else f", task.product = {product}"
            yield f"the elements {words}{changed}", _as_group(elements=elements, product=product)


def _as_group(**settings: Any) -> dict[str, Any]:
    """Changes to a group task that is given in this way and in no other."""
    ways = {"group": None, "elements": None, "table": None, "product": "ba", **settings}
    return {"task.name": "group", **{f"task.{name}": value for name, value in ways.items()}}


def _groups_of_order(order: int) -> list[str]:
    """Named groups of an order: cyclic, dihedral, symmetric, alternating, and products of two cyclic ones."""
    names = [f"Z{order}", *([f"D{order // 2}"] if order % 2 == 0 and order > 4 else [])]
    names += [f"{kind}{degree}" for kind in "SA" for degree in range(3, 7)]
    names += [f"Z{small}xZ{order // small}" for small in range(2, order) if order % small == 0 and small**2 <= order]
    found = []
    for name in names:
        parts = factors(name)
        if parts is not None and order_of(parts) == order:
            found.append(name)
    return found
