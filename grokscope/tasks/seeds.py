"""Independent streams of random numbers from one seed."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

Stream = Literal["split", "weights", "batches", "outer", "amplifier", "label noise"]
_STREAMS: dict[Stream, int] = {"split": 0, "weights": 1, "batches": 2, "outer": 3, "amplifier": 4, "label noise": 5}


def generator(seed: int, stream: Stream) -> torch.Generator:
    """A CPU generator for one purpose of a run.

    Streams of one seed are independent of each other (numpy's SeedSequence), so that drawing more
    weights, say, does not change the split: arms of one seed share what they should share.
    """
    state = np.random.SeedSequence([seed, _STREAMS[stream]]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))
