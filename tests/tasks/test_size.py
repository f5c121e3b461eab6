"""The size of a task, told before it is built, is that of the task that is built."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grokscope import capacity
from grokscope.capacity import CapacityError
from grokscope.config import RunConfig, TaskConfig, presets
from grokscope.tasks import BUILDERS, SIZES, Task, build_task, task_size, with_task
from tests.tasks.test_tables import ALL_TASKS

LABELS = ((0, 1, 2), (None, 2, 0))
PARITY_OF_SUM = Task("sum", torch.tensor([[0, 1], [1, 1], [2, 0]]), torch.tensor([1, 0, 0]), ("0", "1", "2"), 2, (0, 1))
OTHERS = [
    TaskConfig(name="table", labels=LABELS),
    TaskConfig(name="expression", expression="x / y", modulus=6),
    TaskConfig(name="group", elements=((0, 1, 2), (1, 2, 0), (2, 0, 1)), form="x_y_eq"),
    TaskConfig(name="group", group="D3xZ2"),
    TaskConfig(name="group", table=((0, 1), (1, 0))),
    with_task(RunConfig(), PARITY_OF_SUM).task,
]
CONFIGS = [*ALL_TASKS, *OTHERS, *dict.fromkeys(each.config.task for each in presets().values())]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.name}-{config.form}")
def test_a_size_is_that_of_the_task_that_is_built(config):
    size, task = task_size(config), build_task(config)
    assert (size.n_positions, size.d_vocab, size.n_answers) == (task.n_positions, task.d_vocab, task.n_answers)
    sequences = task.tokens.tolist()
    prefixes = [len({tuple(tokens[: last + 1]) for tokens in sequences}) for last in range(task.n_positions)]
    unigrams = len({(place, token) for tokens in sequences for place, token in enumerate(tokens)})
    told, counted = (size.n_examples, *size.prefixes, size.n_unigrams), (task.n_examples, *prefixes, unigrams)
    assert all(np.array(told) >= counted)
    whole = config.name not in ("mixed", "expression", "table", "given")  # of these some pairs may be missing
    assert told == counted if whole else max(np.array(told) / counted) < 6
    held = task.tokens.nbytes + task.labels.nbytes
    assert held < size.bytes < 6 * held * size.n_examples / task.n_examples


def test_every_name_of_a_task_has_a_size():
    assert set(SIZES) == set(BUILDERS)


def test_examples_that_do_not_fit_are_refused_before_one_is_made(monkeypatch):
    monkeypatch.setattr(capacity, "free_memory", lambda: 10**9)
    monkeypatch.setitem(BUILDERS, "add", lambda config: pytest.fail("it is built"))
    with pytest.raises(
        CapacityError, match=r"examples of task.name = add needs about 14\.4 GB of memory, and 1 GB are"
    ):
        build_task(TaskConfig(name="add", modulus=10_000))
