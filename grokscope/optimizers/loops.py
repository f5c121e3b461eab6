"""Updates of update rules as compiled loops: one pass over the vectors."""

from __future__ import annotations

import numpy as np

from grokscope.jit import compiled


@compiled
def lion(w: np.ndarray, g: np.ndarray, m: np.ndarray, lr: float, decay: float, b1: float, b2: float) -> None:
    """One step of Lion: w and its average m are changed, g is read."""
    of = w.dtype.type
    kept, step, old, new, keep, add = of(1 - lr * decay), of(lr), of(b1), of(1 - b1), of(b2), of(1 - b2)
    zero = of(0)
    for i in range(len(w)):
        update = old * m[i] + new * g[i]
        move = step if update > zero else (-step if update < zero else zero)
        w[i] = kept * w[i] - move
        m[i] = keep * m[i] + add * g[i]
