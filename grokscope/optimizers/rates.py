"""Learning rates of groups of their own: what an update changed in some parameters, multiplied.

    w <- w_before + rate (w_updated - w_before)

For every rule whose update is in proportion to the learning rate, decoupled weight decay included, that is the update
at `rate` times the common learning rate.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from grokscope.model import Weights


@torch.no_grad()
def scale_updates_(weights: Weights, before: Weights, rates: Iterable[tuple[float, tuple[str, ...]]]) -> None:
    """Multiply the displacement of the named parameters, in place; `rates` are pairs of a multiple and parameters."""
    for rate, names in rates:
        for name in names:
            weights[name].sub_(before[name]).mul_(rate).add_(before[name])
