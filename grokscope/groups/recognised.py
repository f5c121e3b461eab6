"""Groups given by a table or by permutations whose irreps carry the usual names where the group is a known one.

A group that is isomorphic to Z_n, D_n, S_n, A_n or, up to order 120, a product of such groups takes its irreps
from there, re-indexed by an isomorphism: the matrices are those of the closed form, and so are their names. An
automorphism may exchange irreps (frequencies of Z_n, `standard` and (2,2,2) of S6); the isomorphism taken is
then the first one found, see `mapping`. Permutations that are all of S_n or A_n need no search: each is its own
element, or its inverse's where products are read the other way round. All other groups get their irreps
numerically. Among them is D4 x D4: a product of two non-abelian groups is taken apart at a factor whose centre is
trivial, or after a central cyclic factor has been split off (`isomorphism_type`). D4 has a centre that does not split
off.
"""

from collections.abc import Iterator, Sequence
from math import factorial
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Int

from grokscope.groups.alternating import AlternatingGroup
from grokscope.groups.by_name import group_by_name
from grokscope.groups.cyclic import CyclicGroup
from grokscope.groups.dihedral import DihedralGroup
from grokscope.groups.finite import FiniteGroup
from grokscope.groups.irreps import Irrep
from grokscope.groups.isomorphism import isomorphism_type
from grokscope.groups.mapping import isomorphism
from grokscope.groups.permutations import PermutationGroup
from grokscope.groups.symmetric import SymmetricGroup

LARGEST_TYPE = 120
"""Order up to which products are recognised (`isomorphism_type`)."""


class Known(NamedTuple):
    """A group with irreps in closed form, and an isomorphism to it."""

    group: FiniteGroup
    element: Int[np.ndarray, " element"]
    """The element of `group` that stands for each element."""


class RecognisedGroup(FiniteGroup):
    """A group given by its Cayley table, with irreps of the usual names where it is a known one.

    Arguments:
        table, labels: as for `FiniteGroup`.

    Attributes (beside those of `FiniteGroup`):
        known: the known group that this one is isomorphic to, and the isomorphism; None if there is none.
        name: that of the known group ("D6", "Z3 x S3"); else the isomorphism type or "order n".
    """

    def __init__(self, table: Any, *, labels: Sequence[str] | None = None) -> None:
        super().__init__(table, name="the table", labels=labels)
        self.known, self.name = recognise(self)

    def _build_irreps(self) -> Sequence[Irrep]:
        return super()._build_irreps() if self.known is None else reindexed(self.known)


class RecognisedPermutations(PermutationGroup):
    """A group given by its permutations in any order, with irreps of the usual names where it is a known one.

    Arguments:
        permutations, product: as for `PermutationGroup`.

    Attributes (beside those of `PermutationGroup`): `known` and `name`, as for `RecognisedGroup`.
    """

    def __init__(self, permutations: Any, *, product: Literal["ab", "ba"] = "ba") -> None:
        super().__init__(permutations, name="the elements", product=product)
        by_points = _by_points(self)
        if by_points is None:
            self.known, self.name = recognise(self)
        else:
            self.known, self.name = by_points, by_points.group.name

    def _build_irreps(self) -> Sequence[Irrep]:
        return super()._build_irreps() if self.known is None else reindexed(self.known)


def recognise(group: FiniteGroup) -> tuple[Known | None, str]:
    """The known group that a group is isomorphic to, if any, and what to call it."""
    kind = f"order {group.order}"
    if group.order <= LARGEST_TYPE:
        kind = isomorphism_type(group.table, group.element_orders)
    for candidate in _candidates(group, kind):
        element = isomorphism(candidate, group)
        if element is not None:
            return Known(candidate, element), candidate.name
    return None, kind


def reindexed(known: Known) -> list[Irrep]:
    """The irreps of a known group on the elements of the group that it is isomorphic to."""
    return [
        Irrep(i.name, i.kind, i.matrices[known.element], i.label, i.partition, i.frequency) for i in known.group.irreps
    ]


def _candidates(group: FiniteGroup, kind: str) -> Iterator[FiniteGroup]:
    """Known groups of this order and, up to order 120, this type; S3 is called that, and not D3."""
    n = group.order
    if n <= LARGEST_TYPE:
        name = "x".join({"trivial": "Z1", "V4": "Z2xZ2"}.get(factor, factor) for factor in kind.split(" x "))
        try:
            yield group_by_name(name)
        except ValueError:
            return  # Q8, F20, SL(2,3): their irreps are found numerically
        return
    if group.element_orders.max() == n:
        yield CyclicGroup(n)
    if n % 2 == 0:
        yield DihedralGroup(n // 2)
    for degree in range(5, 7):
        if n == factorial(degree):
            yield SymmetricGroup(degree)
        if 2 * n == factorial(degree):
            yield AlternatingGroup(degree)


def _by_points(group: PermutationGroup) -> Known | None:
    """S_n or A_n where the permutations are all of it, or all even ones, on n = 3..6 points.

    With products read the other way round, a -> a^-1 is the isomorphism: (a b)^-1 = b^-1 a^-1.
    """
    n = group.degree
    if not 3 <= n <= 6 or group.order not in (factorial(n), factorial(n) // 2):
        return None
    # Of S_n, the only subgroup of half the order is A_n.
    full = SymmetricGroup(n) if group.order == factorial(n) else AlternatingGroup(n)
    place = n ** np.arange(n - 1, -1, -1)  # digits in base n order permutations as they are listed
    element = np.searchsorted(full.permutations @ place, group.permutations @ place)
    return Known(full, element if group.product == "ba" else full.inverse[element])
