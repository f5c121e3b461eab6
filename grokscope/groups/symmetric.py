"""The symmetric group S_n with Young's orthogonal irreps."""

from itertools import permutations

import numpy as np

from grokscope.groups.checks import checked_int
from grokscope.groups.irreps import Irrep
from grokscope.groups.permutations import PermutationGroup
from grokscope.groups.young import partition_label, partitions, usual_name, young_orthogonal


class SymmetricGroup(PermutationGroup):
    """S_n: all permutations of 0..n-1 in lexicographic order, as `itertools.permutations` gives them.

    table[a, b] = index of b[a], the permutation i -> b[a[i]] (first a, then b).

    One irrep per partition of n, all of real type, by Young's orthogonal form, in reverse lexicographic
    order. For S5: trivial (5), standard (4,1), (3,2), (3,1,1), (2,2,1), sign-standard (2,1,1,1),
    sign (1,1,1,1,1), of dimension 1, 4, 5, 6, 5, 4, 1. `Irrep.label` is the partition as a string.

    Arguments:
        n: 2..6.

    Raises ValueError for any other n.
    Source: James & Kerber, The Representation Theory of the Symmetric Group (1981), section 3.4.
    """

    def __init__(self, n: int) -> None:
        n = checked_int("n", n, low=2, high=6, what="SymmetricGroup")
        super().__init__(np.array(list(permutations(range(n)))), name=f"S{n}")

    def _build_irreps(self) -> list[Irrep]:
        return [
            Irrep(
                usual_name(partition),
                "real",
                young_orthogonal(partition, self.permutations, self.table),
                label=partition_label(partition),
                partition=partition,
            )
            for partition in partitions(self.degree)
        ]
