"""The order in which examples are trained on."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from grokscope.config import ConfigError
from grokscope.tasks import generator


def hold_back(
    train: Int[Tensor, "train"], fraction: float, seed: int
) -> tuple[Int[Tensor, "inner"], Int[Tensor, "outer"]]:
    """Training examples without, and of, a share drawn by the seed; at least one of each.

    Raises `ConfigError` for fewer than two examples.
    """
    if len(train) < 2:
        raise ConfigError(
            f"gradient.outer_fraction = {fraction} is not accepted: {len(train)} example cannot be shared"
        )
    count = min(max(1, round(len(train) * fraction)), len(train) - 1)
    order = torch.randperm(len(train), generator=generator(seed, "outer"))
    return train[order[count:].sort().values], train[order[:count]]


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
