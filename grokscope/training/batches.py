"""The order in which examples are trained on."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from grokscope.tasks import generator


class BatchStream:
    """An endless stream of batches of training examples.

    Mini-batches are reshuffled every epoch and the last one of an epoch is ragged; `batch_size` None is
    the full train set at every step. The order depends on the seed alone.
    """

    def __init__(self, train: Int[Tensor, "train"], batch_size: int | None, seed: int) -> None:
        self._train = train
        self._batch_size = len(train) if batch_size is None else min(batch_size, len(train))
        self._shuffled = batch_size is not None
        self._generator = generator(seed, "batches")
        self._start_epoch()

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one epoch, the ragged one included."""
        return -(-len(self._train) // self._batch_size)

    def next(self) -> Int[Tensor, "example"]:
        """The examples of the next step."""
        if self._position == self.steps_per_epoch:
            self._start_epoch()
        start = self._position * self._batch_size
        self._position += 1
        return self._order[start : start + self._batch_size]

    def state(self) -> tuple[Tensor, int]:
        """(generator state at the start of the epoch, batches of it that were taken): for `restore`."""
        return self._epoch_state, self._position

    def restore(self, epoch_state: Tensor, position: int) -> None:
        """Go on where `state` was read."""
        self._generator.set_state(epoch_state)
        self._start_epoch()
        self._position = position

    def _start_epoch(self) -> None:
        self._epoch_state = self._generator.get_state()
        order = torch.randperm(len(self._train), generator=self._generator)
        self._order = self._train[order.to(self._train.device)] if self._shuffled else self._train
        self._position = 0
