"""Groups by name: Z12, D12, S5, A5, and products such as Z3xS3."""

from functools import reduce

from grokscope.groups.alternating import AlternatingGroup
from grokscope.groups.cyclic import CyclicGroup
from grokscope.groups.dihedral import DihedralGroup
from grokscope.groups.finite import FiniteGroup
from grokscope.groups.names import factors
from grokscope.groups.products import product
from grokscope.groups.symmetric import SymmetricGroup

FAMILIES = {"Z": CyclicGroup, "D": DihedralGroup, "S": SymmetricGroup, "A": AlternatingGroup}


def group_by_name(name: str) -> FiniteGroup:
    """The group that a name stands for; elements in the order that the family's class gives them.

    Zn has order n, Dn (the symmetries of the n-gon) order 2n, Sn and An have n = 2..6; factors of a product are
    joined by x, and taken together from the left.

    Raises ValueError for any other name.
    """
    parts = factors(name)
    if parts is None:
        raise ValueError(f"group = {name!r} is unknown; accepted: Zn, Dn, Sn, An (n = 2..6), products such as Z3xS3")
    return reduce(product, (FAMILIES[letter](n) for letter, n in parts))
