"""How well imported weights solve their task, and whether read in another way they would solve it better.

Shapes do not tell the activation, where the residual stream is normalised, in which order permutations are
multiplied and which token is `=`. A network that was good at its task and is not so here has probably been read
in the wrong way.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from grokscope.config import RunConfig, override
from grokscope.engine import Engine
from grokscope.importing.fitting import reordered
from grokscope.model import Weights
from grokscope.tasks import Task, build_task

_GOOD = 0.9
"""Accuracy below which other readings of the same weights are tried, and from which on one is pointed out."""

_TRIED = 1024
"""Examples that another reading is tried on."""


class Evaluation:
    """Loss and accuracy on the examples of each side of the split; NaN for a side that has none."""

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

    def doubts(self, weights: Weights) -> list[str]:
        """A sentence for every other reading of the same weights that solves the task where this one does not."""
        picked = torch.linspace(0, self.task.n_examples - 1, min(_TRIED, self.task.n_examples)).long()
        own = self.engine.evaluate(weights, picked)[1]
        if own >= _GOOD:
            return []
        sentences = []
        for what, config, read in self._other_readings(weights):
            task = build_task(config.task)
            accuracy = Engine(config.model, task).evaluate(read, picked)[1]
            if accuracy >= _GOOD:
                sentences.append(
                    f"accuracy is {own:.3f}; with {what} it would be {accuracy:.3f}: is that what is meant?"
                )
        return sentences

    def _other_readings(self, weights: Weights) -> Iterator[tuple[str, RunConfig, Weights]]:
        model, task = self.config.model, self.config.task
        activation = "relu" if model.activation == "gelu" else "gelu"
        yield f"model.activation = {activation}", override(self.config, {"activation": activation}), weights
        if model.normalization == "LN":
            residual = "pre_ln" if model.residual == "normed" else "normed"
            yield f"model.residual = {residual}", override(self.config, {"residual": residual}), weights
        if task.is_permutations:
            product = "ab" if task.product == "ba" else "ba"
            yield f"task.product = {product}", override(self.config, {"product": product}), weights
        if self.task.d_vocab == self.task.n_answers + 2:
            equals = self.task.n_answers + 1
            yield f"equals = {equals}", self.config, reordered(weights, self.task, equals)
