"""What `torch.optim.Optimizer.step` may be given: a function that evaluates the loss once more."""

from __future__ import annotations

from collections.abc import Callable

import torch

Closure = Callable[[], float]


def closure_loss(closure: Closure | None) -> float | None:
    """What the closure returns, with gradients on; None without one."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()
