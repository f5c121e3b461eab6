"""Any function of two operands, given by its labels: [a, f, b, =] -> the label of (a, b).

Every pair that has a label is an example, a slowest. Left and right operand share one embedding, as they do in all
tasks of two operands; `grokscope.config.labels` says which token each operand and answer has. Tokens: the answers and
operands, then `=`, then `f` (none in the form [x, y, =]; neither in [x, y]).
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from jaxtyping import Int

from grokscope.config import ConfigError, TaskConfig
from grokscope.config.labels import MAX_EXAMPLES, MAX_TOKENS
from grokscope.config.stored import Stored
from grokscope.tasks.recognition import recognised_operations
from grokscope.tasks.size import TaskSize, size_of_pairs
from grokscope.tasks.task import Task, names_of_signs, operand_positions, sequence


def table_size(config: TaskConfig) -> TaskSize:
    """The size of the task of `table_task`."""
    assert config.labels is not None
    labels, _, _, names, n_answers = _read(config.labels)
    n_left, n_right = labels.shape
    n_examples = int((labels >= 0).sum())
    return size_of_pairs(n_examples, n_left, config.form, n_right=n_right, n_elements=len(names), n_answers=n_answers)


def table_task(config: TaskConfig) -> Task:
    """The task of a config named table. Raises `ConfigError` for labels that are damaged."""
    assert config.labels is not None
    labels, left, right, names, n_answers = _read(config.labels)
    rows, columns = np.nonzero(labels >= 0)
    d = len(names)
    token_names = [*names, *names_of_signs(["f"], config.form)]
    a, b = torch.from_numpy(left[rows]), torch.from_numpy(right[columns])
    return Task(
        name=f"table of {len(left)} x {len(right)}",
        tokens=sequence(a, b, equals=d, operation=d + 1, form=config.form),
        labels=torch.from_numpy(labels[rows, columns]),
        token_names=tuple(token_names),
        n_answers=n_answers,
        operand_positions=operand_positions(config.form),
        make_operations=partial(recognised_operations, "table", left, right, labels, token_names, n_answers),
    )


def _read(
    stored: Stored,
) -> tuple[Int[np.ndarray, "row column"], Int[np.ndarray, " row"], Int[np.ndarray, " column"], tuple[str, ...], int]:
    """Labels, tokens of the operands, names of the tokens and number of answers, checked."""
    tensors, words = stored.read("task.labels")
    names, n_answers = words.get("token_names"), words.get("n_answers")
    labels, left, right = (tensors.get(name) for name in ("labels", "left", "right"))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(names) > MAX_TOKENS:
        raise ConfigError(f"task.labels is damaged: token_names must be at most {MAX_TOKENS} texts")
    if labels is None or left is None or right is None or type(n_answers) is not int:
        raise ConfigError("task.labels is damaged: it needs labels, left, right, token_names and n_answers")
    fits = (
        all(array.dtype == np.int64 for array in (labels, left, right))
        and labels.shape == (*left.shape, *right.shape)
        and labels.ndim == 2
        and 2 <= (labels >= 0).sum() <= MAX_EXAMPLES
        and 1 <= n_answers <= len(names)
        and labels.min() >= -1
        and labels.max() < n_answers
        and all(array.min() >= 0 and array.max() < len(names) for array in (left, right))
    )
    if not fits:
        raise ConfigError("task.labels is damaged: labels or operands are not among its tokens")
    return labels, left, right, tuple(names), n_answers
