"""A step that is recorded once for each size of batch, and then replayed, on a GPU.

A small network's step is some hundred calls, each of which a GPU is done with before the next one comes. A CUDA graph
makes them one call. It does exactly what was recorded, to the tensors that were there then: the examples of a step are
copied to where they lay, and a step that does something else than the last one is not replayed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from jaxtyping import Int
from torch import Tensor

PLAIN = 2
"""Steps of a size that are taken as they are before one is recorded: libraries choose their kernels in them."""

Move = Callable[[Tensor, float], None]
"""What a step does, given its examples and learning rate."""
Record = Callable[[Callable[[], None]], Callable[[], None]]
"""Records what a call does, without doing it; returns a call that does it."""


class ReplayedStep:
    """Takes steps as they are, or replays them.

    Arguments:
        move: what a step does.
        record: how a step is recorded; None where that is impossible, and every step is taken as it is.
    """

    def __init__(self, move: Move, record: Record | None) -> None:
        self._move, self._record = move, record
        self._taken: Counter[int] = Counter()
        self._recorded: dict[tuple[int, float], tuple[Tensor, Callable[[], None]]] = {}

    def __call__(self, examples: Int[Tensor, "network example"], lr: float, *, steady: bool) -> None:
        """Take a step.

        Arguments:
            steady: whether it does the same as the steps before it, to other numbers, at this learning rate.
        """
        size = examples.shape[1]
        if self._record is None or not steady or self._taken[size] < PLAIN:
            self._taken[size] += steady
            self._move(examples, lr)
            return
        if (size, lr) not in self._recorded:
            kept = examples.clone()
            self._recorded[size, lr] = kept, self._record(lambda: self._move(kept, lr))
        kept, replay = self._recorded[size, lr]
        kept.copy_(examples)
        replay()


def recorder_of(device: str | torch.device) -> Record | None:
    """How steps are recorded on a device: as CUDA graphs on a GPU, nowhere else."""
    return _as_cuda_graph if torch.device(device).type == "cuda" else None


def _as_cuda_graph(call: Callable[[], None]) -> Callable[[], None]:
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        call()
    return graph.replay
