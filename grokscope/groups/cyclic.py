"""The cyclic group Z_n: addition modulo n, and its real Fourier basis."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from grokscope.groups.checks import checked_int
from grokscope.groups.finite import FiniteGroup
from grokscope.groups.irreps import Irrep


class CyclicGroup(FiniteGroup):
    """Z_n, a * b = (a + b) mod n, with the irreps of each frequency k = 0..floor(n/2), none dropped:

        k = 0                 "trivial"  1
        k = 1..floor((n-1)/2) "k=1"...   [[cos t, -sin t], [sin t, cos t]], t = 2 pi k x / n  (complex type)
        k = n/2 (n even)      "sign"     (-1)^x

    `irreps[k]` is the one of frequency k.

    Arguments:
        n: order, 1 to MAX_TABLE.
        name: "Zn" if not given.
        labels: of the elements; "0".."n-1" if not given.

    Raises ValueError if n is no such integer.
    Source: Serre, Linear Representations of Finite Groups (1977), section 5.1.
    """

    def __init__(self, n: int, *, name: str | None = None, labels: Sequence[str] | None = None) -> None:
        n = checked_int("n", n, low=1, what="a cyclic group")
        elements = np.arange(n)
        table = (elements[:, None] + elements) % n
        super().__init__(table, name=name or f"Z{n}", labels=labels)

    def _build_irreps(self) -> list[Irrep]:
        n = self.order
        x = np.arange(n)
        irreps = [Irrep("trivial", "real", np.ones((n, 1, 1)), frequency=0)]
        irreps += [Irrep(f"k={k}", "complex", rotations(k * x, n), frequency=k) for k in range(1, (n - 1) // 2 + 1)]
        if n % 2 == 0:
            sign = np.where(x % 2 == 0, 1.0, -1.0)[:, None, None]
            irreps.append(Irrep("sign", "real", sign, frequency=n // 2))
        return irreps


def rotations(turns: np.ndarray, n: int) -> Float[np.ndarray, "turn 2 2"]:
    """Rotations by 2 pi turns / n. Whole turns are removed first, in integers, to keep full accuracy."""
    angle = 2 * np.pi * (turns % n) / n
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=-2)
