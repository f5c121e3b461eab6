"""The alternating group A_n, with irreps restricted from those of S_n."""

from itertools import permutations

import numpy as np

from grokscope.groups.checks import checked_int
from grokscope.groups.irreps import Irrep, character_order
from grokscope.groups.permutations import PermutationGroup, inversions
from grokscope.groups.splitting import distinct_constituents, split_representation
from grokscope.groups.symmetric import SymmetricGroup
from grokscope.groups.young import conjugate, partition_label


class AlternatingGroup(PermutationGroup):
    """A_n: the even permutations of 0..n-1 in lexicographic order, product first a, then b.

    The irreps of S_n for a partition and for its conjugate agree on A_n; the larger partition names them.
    A self-conjugate one splits in two over the complex numbers: over the reals in "(3,1,1)+" and
    "(3,1,1)-" (A5), or it stays whole and is of complex type ((2,2) of A4). "+" has the larger
    character on the first element where they differ.

    Arguments:
        n: 2..6.

    Raises ValueError for any other n.
    Source: James & Kerber, The Representation Theory of the Symmetric Group (1981), section 2.5.
    """

    def __init__(self, n: int) -> None:
        n = checked_int("n", n, low=2, high=6, what="AlternatingGroup")
        everything = np.array(list(permutations(range(n))))
        super().__init__(everything[inversions(everything) % 2 == 0], name=f"A{n}")

    def _build_irreps(self) -> list[Irrep]:
        full = SymmetricGroup(self.degree)
        even = inversions(full.permutations) % 2 == 0
        squares = np.diagonal(self.table)
        rng = np.random.default_rng(0)
        irreps: list[Irrep] = []
        for irrep in full.irreps:
            partition = irrep.partition or ()
            if conjugate(partition) > partition:
                continue
            parts = distinct_constituents(split_representation(irrep.matrices[even], squares, rng))
            parts.sort(key=lambda part: character_order(np.trace(part[1], axis1=1, axis2=2)))
            for (kind, matrices), suffix in zip(parts, ("+", "-") if len(parts) == 2 else ("",), strict=True):
                label = partition_label(partition) + suffix
                name = irrep.name + suffix
                irreps.append(Irrep(name, kind, matrices, label=label, partition=partition))
        return irreps
