"""A task that was made in Python, as a value of the setting `task.given`, and back.

    task = Task("max", tokens, labels, token_names, n_answers=5, operand_positions=(0, 1))
    run = gs.train(gs.preset("mul-lion-clip"), task=task)

What is in the task goes along with the config, so that a run of it is opened, resumed, branched and analysed without
the code that made it. The content is that of a safetensors file (`grokscope.config.stored`):

    tokens    int64 [example, position]
    labels    int64 [example]
    words     JSON: name, token_names, n_answers, operand_positions, and operations, each with its name and the names of
              its group's elements
    operation.I.table, .left, .right, .answer, .examples    int64, of each operation, as `Operation` has them

A task without operations whose two operands are a group's, up to names, is recognised as one, as a table is.
"""

from __future__ import annotations

from math import prod
from typing import Any, NoReturn

import numpy as np
import torch

from grokscope.config import ConfigError, RunConfig, TaskConfig, override
from grokscope.config.labels import MAX_TOKENS
from grokscope.config.stored import Stored
from grokscope.groups import RecognisedGroup
from grokscope.tasks.recognition import recognised_operations
from grokscope.tasks.size import TaskSize
from grokscope.tasks.task import Operation, Task

MAX_EXAMPLES = 2**20
"""Those of the longest parity task. All of them are evaluated at each evaluation."""


def with_task(config: RunConfig, task: Task) -> RunConfig:
    """The config that trains on a task that was made in Python, in place of its own.

    It can be trained, put into a `grokscope.sweeps.Job`, and imported with. Share and seed of the split and label noise
    stay those of the config; where the task has `train_indices`, those are the split.

    Raises `ConfigError` naming what of the task is not as `Task` says.
    """
    section = TaskConfig(
        name="given",
        given=stored_task(task),
        train_fraction=config.task.train_fraction,
        label_noise=config.task.label_noise,
        train_indices=config.task.train_indices if task.train_indices is None else task.train_indices,
    )
    return override(config, {"task": section})


def stored_task(task: Task) -> Stored:
    """The content of a task. Raises `ConfigError` naming what of it is not as `Task` says."""
    tokens, labels = np.asarray(task.tokens), np.asarray(task.labels)
    for name, array in (("tokens", tokens), ("labels", labels)):
        if not np.issubdtype(array.dtype, np.integer):
            raise ConfigError(f"task.{name} of the given task has type {array.dtype}: use integers")
    tensors = {"tokens": tokens.astype(np.int64), "labels": labels.astype(np.int64)}
    words: dict[str, Any] = {
        "name": str(task.name),
        "token_names": [str(name) for name in task.token_names],
        "n_answers": int(task.n_answers),
        "operand_positions": [int(position) for position in task.operand_positions],
    }
    _check(tensors, words)
    operations = []
    for number, operation in enumerate(task.operations):
        operations.append({"name": operation.name, "labels": list(operation.group.labels)})
        for part in ("left", "right", "answer", "examples"):
            tensors[f"operation.{number}.{part}"] = np.asarray(getattr(operation, part), dtype=np.int64)
        tensors[f"operation.{number}.table"] = operation.group.table
    _check_operations(tensors, operations)
    return Stored.of(tensors, {**words, "operations": operations})


def given_size(config: TaskConfig) -> TaskSize:
    """The size of the task of `given_task`; its prefixes are an upper bound."""
    assert config.given is not None
    tensors, words = config.given.read("task.given")
    _check(tensors, words)
    n_examples = len(tensors["tokens"])
    of_positions = [len(np.unique(column)) for column in tensors["tokens"].T]
    prefixes = tuple(min(n_examples, prod(of_positions[: place + 1])) for place in range(len(of_positions)))
    return TaskSize(n_examples, prefixes, sum(of_positions), len(words["token_names"]), words["n_answers"])


def given_task(config: TaskConfig) -> Task:
    """The task of a config named given. Raises `ConfigError` for a content that is damaged."""
    assert config.given is not None
    tensors, words = config.given.read("task.given")
    _check(tensors, words)
    operations = words.get("operations", [])
    _check_operations(tensors, operations)

    def make_operations() -> tuple[Operation, ...]:
        return _recognised(tensors, words) or tuple(
            _operation(tensors, number, operation) for number, operation in enumerate(operations)
        )

    return Task(
        name=words["name"],
        tokens=torch.from_numpy(tensors["tokens"]),
        labels=torch.from_numpy(tensors["labels"]),
        token_names=tuple(words["token_names"]),
        n_answers=words["n_answers"],
        operand_positions=tuple(words["operand_positions"]),
        make_operations=make_operations,
    )


def _check(tensors: dict[str, np.ndarray], words: dict[str, Any]) -> None:
    """Raise `ConfigError` unless tokens and labels are those of a task."""
    tokens, labels = tensors.get("tokens"), tensors.get("labels")
    names, n_answers, positions = (words.get(name) for name in ("token_names", "n_answers", "operand_positions"))

    def refuse(what: str) -> NoReturn:
        raise ConfigError(f"the given task {words.get('name')!r:.60} is not accepted: {what}")

    if tokens is None or tokens.ndim != 2 or not 2 <= len(tokens) <= MAX_EXAMPLES or not tokens.shape[1]:
        shape = None if tokens is None else tokens.shape
        refuse(f"tokens has shape {shape}; use [example, position] with 2 to {MAX_EXAMPLES} examples")
    if labels is None or labels.shape != tokens.shape[:1]:
        refuse(f"labels has shape {None if labels is None else labels.shape}; use [example], {len(tokens)} of them")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(names) > MAX_TOKENS:
        refuse(f"token_names must be at most {MAX_TOKENS} texts")
    if tokens.min() < 0 or tokens.max() >= len(names):
        refuse(f"tokens holds {int(tokens.min())} to {int(tokens.max())}; token_names has {len(names)} tokens, from 0")
    if type(n_answers) is not int or not 2 <= n_answers <= len(names):
        refuse(f"n_answers = {n_answers!r}; use 2 to {len(names)}: tokens 0 .. n_answers - 1 are the answers")
    if labels.min() < 0 or labels.max() >= n_answers:
        refuse(f"labels holds {int(labels.min())} to {int(labels.max())}; the answers are 0 .. {n_answers - 1}")
    every_place = range(tokens.shape[1])
    are_places = isinstance(positions, list) and all(type(place) is int and place in every_place for place in positions)
    if not are_places or len(set(positions or ())) != len(positions or ()):
        refuse(f"operand_positions = {positions!r}; use different positions below {tokens.shape[1]}")


def _check_operations(tensors: dict[str, np.ndarray], operations: Any) -> None:
    """Raise `ConfigError` unless the operations map tokens to elements of their groups, and share out the examples."""
    n_examples = len(tensors["tokens"])
    if not isinstance(operations, list):
        raise ConfigError("the given task is not accepted: its operations are no list")
    for number, operation in enumerate(operations):
        parts = {part: tensors.get(f"operation.{number}.{part}") for part in
                 ("table", "left", "right", "answer", "examples")}  # fmt: skip
        table, examples = parts.pop("table"), parts.pop("examples")
        names = operation.get("labels") if isinstance(operation, dict) else None
        if (
            not isinstance(names, list)
            or not isinstance(operation.get("name"), str)
            or table is None
            or table.ndim != 2
            or table.shape != (len(names), len(names))
            or any(maps is None or maps.ndim != 1 or maps.max(initial=-1) >= len(names) for maps in parts.values())
            or examples is None
            or not ((examples >= 0) & (examples < n_examples)).all()
        ):
            raise ConfigError(f"the given task is not accepted: operation {number} is not as `Operation` says")


def _operation(tensors: dict[str, np.ndarray], number: int, words: dict[str, Any]) -> Operation:
    parts = {part: tensors[f"operation.{number}.{part}"] for part in ("left", "right", "answer", "examples")}
    try:
        group = RecognisedGroup(tensors[f"operation.{number}.table"], labels=words["labels"])
    except ValueError as error:
        raise ConfigError(f"operation {words['name']!r} of the given task is no group's: {error}") from None
    return Operation(words["name"], group, **parts)


def _recognised(tensors: dict[str, np.ndarray], words: dict[str, Any]) -> tuple[Operation, ...]:
    """The operation behind two operands, if every pair has one label and the table is a group's, up to names."""
    tokens, labels, positions = tensors["tokens"], tensors["labels"], words["operand_positions"]
    others = [place for place in range(tokens.shape[1]) if place not in positions]
    if len(positions) != 2 or (tokens[:, others] != tokens[:1, others]).any():
        return ()
    left, row = np.unique(tokens[:, positions[0]], return_inverse=True)
    right, column = np.unique(tokens[:, positions[1]], return_inverse=True)
    table = np.full((len(left), len(right)), -1, dtype=np.int64)
    table[row, column] = labels
    order = np.full(table.shape, -1, dtype=np.int64)
    order[row, column] = np.arange(len(tokens))
    if (order >= 0).sum() != len(tokens):
        return ()  # a pair occurs twice
    found = recognised_operations(words["name"], left, right, table, words["token_names"], words["n_answers"])
    return tuple(
        Operation(each.name, each.group, each.left, each.right, each.answer, order[order >= 0]) for each in found
    )
