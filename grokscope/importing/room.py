"""Whether this machine has the memory and the disk for a network that is imported, before its task is built."""

from __future__ import annotations

from pathlib import Path

from grokscope.capacity import check_disk, check_memory
from grokscope.config import RunConfig
from grokscope.engine import estimate
from grokscope.model import d_vocab_out, dtype_of, parameter_bytes
from grokscope.tasks import task_size

_COPIES = 6
"""Of the weights: as they are in the file, turned, fitted, in the dtype of the run, as a checkpoint, and its bytes."""


def check_room(config: RunConfig, checkpoints: int, path: Path, *, all_logits: bool) -> None:
    """Raise `CapacityError` where the machine has not the memory or the disk that an import takes.

    Arguments:
        config: of the run that is made.
        checkpoints: how many it has.
        path: its directory.
        all_logits: whether the logits of all examples are held at a time.
    """
    size = task_size(config.task)
    weights = parameter_bytes(config.model, size)
    needed = size.bytes + estimate.evaluation(config.model, size) + _COPIES * weights
    if all_logits:
        needed += size.n_examples * d_vocab_out(config.model, size) * dtype_of(config.model).itemsize
    work = f"importing a network and looking at the {size.n_examples:,} examples of its task"
    check_memory(needed, work)
    check_disk(checkpoints * weights, path, work)
