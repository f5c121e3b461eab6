"""How well imported weights solve their task, and whether read in another way they would solve it better."""

from __future__ import annotations

from dataclasses import replace

import torch

from grokscope.config import RunConfig
from grokscope.engine import Engine
from grokscope.importing.readings import other_readings
from grokscope.model import Weights
from grokscope.tasks import Task, build_task, with_task

GOOD = 0.9
"""Accuracy below which other readings of the same weights are tried, and from which on one is pointed out."""

_TRIED = 1024
"""Examples that another reading is tried on."""


class Evaluation:
    """Loss (float64) and accuracy on the examples of each side of the split; NaN for a side that has none."""

    def __init__(self, config: RunConfig, task: Task) -> None:
        self.config, self.task, self.engine = config, task, Engine(config.model, task)
        train, val = task.split(config.task.train_fraction, config.seed)
        self.sides = {"train": train, "val": val}

    def metrics(self, weights: Weights) -> dict[str, float]:
        values = {}
        for side, examples in self.sides.items():
            loss, accuracy = self.engine.evaluate(weights, examples) if len(examples) else (float("nan"),) * 2
            values |= {f"{side}_loss": loss, f"{side}_accuracy": accuracy}
        return values

    def accuracy(self, weights: Weights) -> float:
        """On the whole table."""
        return self.engine.evaluate(weights, torch.arange(self.task.n_examples))[1]

    def doubts(self, weights: Weights) -> list[str]:
        """A sentence for every other reading of the same weights that solves the task where this one does not.

        Where none does and the accuracy is near chance, a sentence that says what may be wrong.
        """
        own = self.accuracy(weights)
        if own >= GOOD:
            return []
        sentences, tried = [], 0
        for reading in other_readings(self.config, self.task, weights):
            accuracy = sampled_accuracy(reading.config, build_task(reading.config.task), reading.weights)
            tried += 1
            if accuracy >= GOOD:
                sentences.append(
                    f"accuracy is {own:.3f}; with {reading.words} it would be {accuracy:.3f}: is that what is meant?"
                )
        chance = 1 / self.task.n_answers
        if not sentences and own < min(0.5, max(0.1, 3 * chance)):
            sentences.append(
                f"accuracy is {own:.3f}, and chance is {chance:.3f}: where the network does solve its task, the order "
                "of the elements, the product, the task or the layout differs from what was said; none of "
                f"{tried} other readings fits either; --from-argmax takes the network's own table as its task"
            )
        return sentences


def own_table(config: RunConfig, task: Task, weights: Weights) -> tuple[RunConfig, str]:
    """The config whose task is what the network answers, over the examples of a task; and what is to be said of it.

    An answer that is no answer token of the task is taken as the likeliest of those.
    """
    logits = torch.cat(
        [
            Engine(config.model, task).answer_logits(weights, chunk)[:, : task.n_answers]
            for chunk in torch.arange(task.n_examples).split(_TRIED)
        ]
    )
    labels = logits.argmax(-1)
    differing = int((labels != task.labels).sum())
    own = replace(task, name=f"the answers of a network to {task.name}", labels=labels, make_operations=tuple)
    said = (
        f"the task is what the network answers at the last step: {differing} of {task.n_examples} labels are not those "
        f"of {task.name}"
    )
    return with_task(config, own), said


def sampled_accuracy(config: RunConfig, task: Task, weights: Weights) -> float:
    """Accuracy on up to 1,024 examples spread over the whole table."""
    picked = torch.linspace(0, task.n_examples - 1, min(_TRIED, task.n_examples)).long()
    return Engine(config.model, task).evaluate(weights, picked)[1]
