"""Label noise: training examples whose answers say nothing about the rule."""

from __future__ import annotations

from dataclasses import replace

import torch

from grokscope.tasks.seeds import generator
from grokscope.tasks.task import Task


def with_label_noise(task: Task, share: float, train_fraction: float, seed: int) -> Task:
    """A task with floor(share * n) of its n training labels drawn anew, each answer as likely as any other.

    Some are drawn as they were. Labels of validation examples stay, so that validation accuracy is that of the rule.
    The same seed draws the same labels, and of a larger share first those of the smaller one.
    """
    train, _ = task.split(train_fraction, seed)
    source = generator(seed, "label noise")
    order = torch.randperm(len(train), generator=source)
    drawn = torch.randint(task.n_answers, (len(train),), generator=source)
    chosen = order[: int(share * len(train))]
    labels = task.labels.clone()
    labels[train[chosen]] = drawn[chosen]
    return replace(task, labels=labels)
