"""Planted networks that also remember the pairs that they were trained on.

To the planted network (see `planted`) a one-hot direction for every answer is added, to which the look-up neuron of
every trained pair writes `height`: so the logits are those of the group, and `height` more at the right answer of the
pairs that were trained on.
"""

from __future__ import annotations

import numpy as np
import torch

from grokscope.analysis.checkpoint.frames import tokens_of
from grokscope.config import RunConfig, TaskConfig
from grokscope.model import Weights
from grokscope.tasks import build_task
from tests.planted import Amplitudes, planted_config, planted_weights


def memory_config(irreps: Amplitudes, task: TaskConfig) -> RunConfig:
    """The config of a planted network with room for the answers."""
    plain = planted_config(irreps, task)
    order = build_task(task).operations[0].group.order
    return planted_config(irreps, task, d_model=2 * ((plain.model.d_model + order + 1) // 2))


def memory_weights(config: RunConfig, irreps: Amplitudes, gain: float, height: float) -> Weights:
    """`gain` times the planted group, and `height` at the right answers of trained pairs."""
    task = build_task(config.task)
    operation = task.operations[0]
    group, n = operation.group, operation.group.order
    weights = dict(planted_weights(config, irreps, gain))
    train, _ = task.split(config.task.train_fraction, config.seed)
    x, y = task.operand_positions
    left, right = operation.left[task.tokens[train, x]], operation.right[task.tokens[train, y]]
    inside = (left >= 0) & (right >= 0)
    a, b = left[inside], right[inside]
    room = config.model.d_model - n
    weights["blocks.0.mlp.W_out"][torch.from_numpy(a * n + b), torch.from_numpy(room + group.table[a, b])] = height
    weights["unembed.W_U"][room + np.arange(n), tokens_of(operation.answer, n)] = 1.0
    return weights
