"""The dihedral group D_n: the 2n symmetries of the regular n-gon."""

import numpy as np

from grokscope.groups.checks import checked_int
from grokscope.groups.cyclic import rotations
from grokscope.groups.finite import FiniteGroup
from grokscope.groups.irreps import Irrep
from grokscope.groups.names import MAX_TABLE


class DihedralGroup(FiniteGroup):
    """D_n, of order 2n: element i < n is the rotation r^i, element n + i is r^i s, with s r s = r^-1.

    Irreps, all of real type, with Mulliken symbols as labels:

        "trivial" A1   r -> 1,  s -> 1         "B1" (n even)  r -> -1, s -> 1
        "sign"    A2   r -> 1,  s -> -1        "B2" (n even)  r -> -1, s -> -1
        "k=1".. E1..   r -> rotation by 2 pi k / n, s -> diag(1, -1), k = 1..floor((n-1)/2)

    The frequency is k, and n/2 for B1 and B2, which turn by half. The sign has none: rotations do not tell it from the
    trivial irrep, which alone has frequency 0.

    Arguments:
        n: number of corners, 1 to MAX_TABLE / 2 (D_1 is Z_2, D_2 is Z_2 x Z_2).

    Raises ValueError if n is no such integer.
    Source: Serre, Linear Representations of Finite Groups (1977), section 5.3.
    """

    def __init__(self, n: int) -> None:
        n = checked_int("n", n, low=1, high=MAX_TABLE // 2, what="a dihedral group")
        self.corners = n
        turns = np.tile(np.arange(n), 2)
        reflected = np.repeat([0, 1], n)
        sign = np.where(reflected == 1, -1, 1)
        # r^i s^e r^j s^f = r^(i + (-1)^e j) s^(e + f)
        turn = (turns[:, None] + sign[:, None] * turns) % n
        table = turn + n * (reflected[:, None] ^ reflected)
        rotation_labels = [f"r{i}" for i in range(n)]
        super().__init__(table, name=f"D{n}", labels=rotation_labels + [f"{label}s" for label in rotation_labels])

    def _build_irreps(self) -> list[Irrep]:
        n = self.corners
        turns = np.tile(np.arange(n), 2)
        sign = np.repeat([1.0, -1.0], n)
        alternating = np.where(turns % 2 == 0, 1.0, -1.0)
        linear: list[tuple[str, str, np.ndarray, int | None]] = [
            ("trivial", "A1", np.ones(2 * n), 0),
            ("sign", "A2", sign, None),
        ]
        if n % 2 == 0:
            linear += [("B1", "B1", alternating, n // 2), ("B2", "B2", alternating * sign, n // 2)]
        irreps = [
            Irrep(name, "real", values[:, None, None], label=label, frequency=k) for name, label, values, k in linear
        ]
        mirror = np.ones((2 * n, 1, 2))
        mirror[:, 0, 1] = sign
        irreps += [
            Irrep(f"k={k}", "real", rotations(k * turns, n) * mirror, label=f"E{k}", frequency=k)
            for k in range(1, (n - 1) // 2 + 1)
        ]
        return irreps
