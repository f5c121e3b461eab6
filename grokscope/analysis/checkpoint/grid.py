"""Every pair of operands of one operation, seen or not, run through the network at once.

A Fourier transform over a and b needs the whole table of pairs. The task may lack some of them (y = 0 under
multiplication, which the additive control frame asks for), so the grid is a token table of its own, run through
the same engine. It also says which pairs are examples of the task, and in which split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokscope.analysis.checkpoint.basis import GridBasis
from grokscope.analysis.checkpoint.frames import Frame, Pairs
from grokscope.config import ModelConfig
from grokscope.engine import Engine
from grokscope.engine.evaluation import CHUNK
from grokscope.model import Weights
from grokscope.tasks import Operation, Task

SPLITS = ("train", "val", "all")
PAIRS = 32 * CHUNK
"""Pairs whose activations are asked for at a time; a multiple of what the engine computes at a time."""


class PairGrid:
    """All pairs of operand tokens of an operation.

    Arguments:
        task, operation: whose examples.
        frames: of that operation; the grid holds the tokens that any of them uses, beside the examples'.
        config: the architecture.
        train: `[example]`, whether an example of the task is trained on.
    """

    def __init__(
        self,
        task: Task,
        operation: Operation | Pairs,
        frames: Sequence[Frame],
        config: ModelConfig,
        train: Bool[Tensor, "example"],
    ) -> None:
        x, y = task.operand_positions
        examples = task.tokens[torch.from_numpy(operation.examples)]
        self.left: Int[np.ndarray, " row"] = np.unique(
            np.concatenate([examples[:, x].numpy(), *(frame.left for frame in frames)])
        )
        self.right: Int[np.ndarray, " col"] = np.unique(
            np.concatenate([examples[:, y].numpy(), *(frame.right for frame in frames)])
        )
        self.shape = (len(self.left), len(self.right))
        tokens = examples[:1].repeat(len(self.left) * len(self.right), 1)
        tokens[:, x] = torch.from_numpy(np.repeat(self.left, len(self.right)))
        tokens[:, y] = torch.from_numpy(np.tile(self.right, len(self.left)))

        where = (
            np.searchsorted(self.left, examples[:, x].numpy()),
            np.searchsorted(self.right, examples[:, y].numpy()),
        )
        self.labels: Int[Tensor, "row col"] = torch.full(self.shape, -1)
        """The answer's token; -1 where the pair is no example of the task."""
        self.pair_of: Int[Tensor, "example"] = torch.full((task.n_examples,), -1)
        """Where the task's examples are in the flattened grid; -1 for those of other operations."""
        self.pair_of[torch.from_numpy(operation.examples)] = torch.from_numpy(where[0] * self.shape[1] + where[1])
        self.labels[where] = task.labels[torch.from_numpy(operation.examples)]
        is_train = torch.zeros(self.shape, dtype=torch.bool)
        is_train[where] = train[torch.from_numpy(operation.examples)]
        is_example = self.labels >= 0
        self.splits: dict[str, Bool[Tensor, "row col"]] = {
            "train": is_train,
            "val": is_example & ~is_train,
            "all": is_example,
        }
        self.engine = Engine(config, replace(task, tokens=tokens, labels=self.labels.flatten()))
        self._all = torch.arange(len(tokens))

    def basis(self, frame: Frame) -> GridBasis:
        """The Fourier basis of a frame on this grid."""
        left, right = np.searchsorted(self.left, frame.left), np.searchsorted(self.right, frame.right)
        return GridBasis(frame.group, left, right, self.shape)

    def activations(self, weights: Weights, names: Sequence[str]) -> dict[str, Float[Tensor, "row col *rest"]]:
        """Activations at the answer position (`Engine.answer_activations`) for every pair."""
        chunks = self._all.split(PAIRS)
        of_pairs = self.engine.answer_activations(weights, chunks[0], names)
        if len(chunks) > 1:
            # Written where they belong: lists of parts that are joined at the end would take twice the memory.
            first = of_pairs
            of_pairs = {name: x.new_empty((len(self._all), *x.shape[1:])) for name, x in first.items()}
            for chunk in chunks:
                made = first if chunk is chunks[0] else self.engine.answer_activations(weights, chunk, names)
                for name, x in made.items():
                    of_pairs[name][chunk] = x
        rows = self.shape[0]
        return {name: rearrange(x, "(row col) ... -> row col ...", row=rows) for name, x in of_pairs.items()}
