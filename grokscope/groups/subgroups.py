"""All subgroups of a small group up to conjugacy, and their cosets as partitions of the group."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from grokscope.groups.cayley import extend_subgroup, generated_subgroup
from grokscope.groups.finite import FiniteGroup
from grokscope.groups.isomorphism import isomorphism_type
from grokscope.groups.number_theory import is_prime, prime_factors
from grokscope.groups.subgroup_names import class_names, describe

MAX_ORDER = 120


@dataclass(frozen=True, eq=False)
class Subgroup:
    """A subgroup of a group.

    Arguments:
        elements: sorted int64 indices of its elements in the group, read-only.
        generators: a few of them that generate it (none for the trivial subgroup).
    """

    elements: Int[np.ndarray, " member"] = field(repr=False)
    generators: tuple[int, ...]

    @property
    def order(self) -> int:
        """Number of elements."""
        return len(self.elements)


@dataclass(frozen=True, eq=False)
class SubgroupClass:
    """A conjugacy class of subgroups: {g H g^-1}.

    Arguments:
        name: unique within the group: the isomorphism type, with the orbits on the points ("Z2 (2+1+1+1)")
            or a letter ("V4 (a)") where several classes share it.
        isomorphism_type: "Z4", "V4", "D5", "F20", "A4 x Z2"...; "order 16" where none is recognised.
        description: a phrase for people, with order, index and what it stabilises.
        order: of each member.
        index: |G| / order.
        members: all conjugates.
    """

    name: str
    isomorphism_type: str
    description: str
    order: int
    index: int
    members: tuple[Subgroup, ...] = field(repr=False)

    @property
    def representative(self) -> Subgroup:
        """The first member."""
        return self.members[0]

    @property
    def is_normal(self) -> bool:
        """Whether H is its only conjugate."""
        return len(self.members) == 1


def subgroup_classes(group: FiniteGroup) -> tuple[SubgroupClass, ...]:
    """All subgroups up to conjugacy, by order, then by number of conjugates, then by elements.

    Every subgroup but the trivial one is <H, c> for a maximal subgroup H of it and a c of prime power order;
    so joining one representative of each class found with every such c finds them all.

    Arguments:
        group: of order at most 120.

    Raises ValueError above that order.
    Source: Neubueser, Numer. Math. 2 (1960), 280-292 (the cyclic extension method), without its solvability.
    """
    if group.order > MAX_ORDER:
        raise ValueError(
            f"group.order = {group.order} is too large ({group.name}); all subgroups are found for order <= {MAX_ORDER}"
        )
    classes = _conjugacy_classes_of_subgroups(group)
    classes.sort(key=lambda members: (members[0].order, len(members), members[0].elements.tolist()))
    types = [
        isomorphism_type(_subtable(group, members[0]), group.element_orders[members[0].elements]) for members in classes
    ]
    representatives = [members[0].elements for members in classes]
    names = class_names(group, types, representatives)
    return tuple(
        SubgroupClass(
            name=name,
            isomorphism_type=kind,
            description=describe(group, members[0].elements, kind),
            order=members[0].order,
            index=group.order // members[0].order,
            members=tuple(members),
        )
        for name, kind, members in zip(names, types, classes, strict=True)
    )


def left_cosets(
    group: FiniteGroup, subgroup: Subgroup | Sequence[int] | Int[np.ndarray, " member"]
) -> Int[np.ndarray, " element"]:
    """Labels `[element]` of the partition into left cosets gH, numbered by their smallest element.

    A function f with f(g h) = f(g) for h in H is constant on these.

    Arguments:
        subgroup: a `Subgroup`, or the indices of its elements.

    Raises ValueError if the elements are not a subgroup.
    """
    elements = _checked_elements(group, subgroup)
    return np.unique(group.table[:, elements].min(axis=1), return_inverse=True)[1].astype(np.int64)


def right_cosets(
    group: FiniteGroup, subgroup: Subgroup | Sequence[int] | Int[np.ndarray, " member"]
) -> Int[np.ndarray, " element"]:
    """Labels `[element]` of the partition into right cosets Hg, numbered by their smallest element.

    A function f with f(h g) = f(g) for h in H is constant on these.

    Arguments:
        subgroup: a `Subgroup`, or the indices of its elements.

    Raises ValueError if the elements are not a subgroup.
    """
    elements = _checked_elements(group, subgroup)
    return np.unique(group.table[elements].min(axis=0), return_inverse=True)[1].astype(np.int64)


def _checked_elements(group: FiniteGroup, subgroup: Any) -> Int[np.ndarray, " member"]:
    if isinstance(subgroup, Subgroup):
        subgroup = subgroup.elements
    elements = np.unique(np.asarray(subgroup))
    accepted = f"need the indices (0..{group.order - 1}) of a subgroup of {group.name}"
    if elements.ndim != 1 or len(elements) == 0 or not np.issubdtype(elements.dtype, np.integer):
        raise ValueError(f"subgroup = {subgroup!r}: {accepted}")
    if elements[0] < 0 or elements[-1] >= group.order:
        raise ValueError(f"subgroup has element {elements[0] if elements[0] < 0 else elements[-1]}: {accepted}")
    # A finite nonempty set closed under the product is a subgroup.
    if not np.isin(group.table[np.ix_(elements, elements)], elements).all():
        raise ValueError(f"subgroup = {elements.tolist()} is not closed under the product: {accepted}")
    return elements


def _subtable(group: FiniteGroup, subgroup: Subgroup) -> Int[np.ndarray, "member member"]:
    return np.searchsorted(subgroup.elements, group.table[np.ix_(subgroup.elements, subgroup.elements)])


def _prime_power_cyclic_generators(group: FiniteGroup) -> list[int]:
    """One generator of each cyclic subgroup of prime power order > 1."""
    seen: set[bytes] = set()
    generators = []
    for element in range(group.order):
        if len(prime_factors(int(group.element_orders[element]))) != 1:
            continue
        key = generated_subgroup(group.table, group.identity, [element]).tobytes()
        if key not in seen:
            seen.add(key)
            generators.append(element)
    return generators


def _conjugacy_classes_of_subgroups(group: FiniteGroup) -> list[list[Subgroup]]:
    extenders = _prime_power_cyclic_generators(group)
    trivial = generated_subgroup(group.table, group.identity, [])
    seen = {trivial.tobytes()}
    classes = [[_subgroup(trivial, ())]]
    for members in classes:  # grows while it is walked
        subgroup = members[0]
        mask = np.zeros(group.order, dtype=bool)
        mask[subgroup.elements] = True
        covered = mask.copy()
        for extender in extenders:
            if covered[extender]:
                continue
            generators = (*subgroup.generators, extender)
            joined = extend_subgroup(group.table, mask, group.identity, generators)
            if is_prime(int(joined.sum()) // subgroup.order):
                # Nothing lies between the two, so that every element of the difference gives the same join.
                covered |= joined
            if joined.tobytes() not in seen:
                classes.append(_conjugates(group, joined, generators, seen))
    return classes


def _conjugates(
    group: FiniteGroup, mask: Bool[np.ndarray, " element"], generators: tuple[int, ...], seen: set[bytes]
) -> list[Subgroup]:
    """The orbit of a subgroup under conjugation; adds every member to `seen`."""
    seen.add(mask.tobytes())
    orbit = [_subgroup(mask, generators)]
    for subgroup in orbit:  # grows while it is walked
        for g in group.generators:
            image = np.zeros(group.order, dtype=bool)
            image[group.conjugates[g, subgroup.elements]] = True
            if image.tobytes() not in seen:
                seen.add(image.tobytes())
                moved = tuple(int(x) for x in group.conjugates[g, list(subgroup.generators)])
                orbit.append(_subgroup(image, moved))
    return sorted(orbit, key=lambda subgroup: subgroup.elements.tolist())


def _subgroup(mask: Bool[np.ndarray, " element"], generators: tuple[int, ...]) -> Subgroup:
    elements = np.flatnonzero(mask).astype(np.int64)
    elements.setflags(write=False)
    return Subgroup(elements, generators)
