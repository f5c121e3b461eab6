"""Recognising small groups: a name for the isomorphism type of a group of order at most 120."""

from collections import Counter

import numpy as np
from jaxtyping import Bool, Int

from grokscope.groups.cayley import find_identity, generated_subgroup
from grokscope.groups.number_theory import prime_factors

# Element order -> how many, for groups that no other group of their order shares these numbers with.
PROFILES: dict[str, dict[int, int]] = {
    "A4": {1: 1, 2: 3, 3: 8},
    "S4": {1: 1, 2: 9, 3: 8, 4: 6},
    "SL(2,3)": {1: 1, 2: 1, 3: 8, 4: 6, 6: 8},
    "A5": {1: 1, 2: 15, 3: 20, 5: 24},
    "S5": {1: 1, 2: 25, 3: 20, 4: 30, 5: 24, 6: 20},
    "SL(2,5)": {1: 1, 2: 1, 3: 20, 4: 30, 5: 24, 6: 20, 10: 24},
}

Table = Int[np.ndarray, "element element"]
Orders = Int[np.ndarray, " element"]


def isomorphism_type(table: Table, orders: Orders) -> str:
    """A name for the isomorphism type: "trivial", "Z6", "V4", "Z2 x Z4", "S3", "D4", "Q8", "F20", "A4 x Z2".

    Abelian, dihedral, dicyclic and Frobenius p:m groups and direct products are recognised by their
    structure; A4, S4, A5, S5, SL(2,3) and SL(2,5) by how many elements they have of each order.
    What is none of these is called "order n".

    Arguments:
        table: `[n, n]`, the Cayley table.
        orders: `[n]`, the order of each element.
    """
    if (table == table.T).all():
        return _abelian(orders)
    return (
        _cyclic_of_index_two(table, orders)
        or _frobenius(orders)
        or _by_profile(orders)
        or _direct_product(table, orders)
        or f"order {len(table)}"
    )


def _abelian(orders: Orders) -> str:
    """Invariant factors d_1 | d_2 | ...: the number of g with g^(p^k) = 1 is p^(sum_i min(lambda_i, k))."""
    if len(orders) == 1:
        return "trivial"
    factors: list[int] = []
    for p in prime_factors(len(orders)):
        exponents: list[int] = []  # entry k: how many cyclic factors of order at least p^(k+1)
        dividing, k = 1, 1
        while (count := int((p**k % orders == 0).sum())) > dividing:
            exponents.append(round(np.log(count / dividing) / np.log(p)))
            dividing, k = count, k + 1
        powers = [p ** sum(e > i for e in exponents) for i in range(exponents[0])]
        factors += [1] * (len(powers) - len(factors))
        factors = [f * (powers[i] if i < len(powers) else 1) for i, f in enumerate(factors)]
    factors.reverse()
    return "V4" if factors == [2, 2] else " x ".join(f"Z{factor}" for factor in factors)


def _cyclic_of_index_two(table: Table, orders: Orders) -> str | None:
    """Dihedral (all else are involutions) or dicyclic (all else have order 4) over a cyclic half <r>."""
    half = len(table) // 2
    rotations = np.flatnonzero(orders == half)
    if 2 * half != len(table) or len(rotations) == 0:
        return None
    inside = generated_subgroup(table, find_identity(table), [int(rotations[0])])
    outside = set(orders[~inside].tolist())
    if outside == {2}:
        return "S3" if half == 3 else f"D{half}"
    if outside == {4}:
        return "Q8" if half == 4 else f"Dic{half // 2}"
    return None


def _frobenius(orders: Orders) -> str | None:
    """p:m, x -> a x + b over the field of p elements with a in the subgroup of order m > 2 of the units.

    A normal Z_p that is its own centraliser (p - 1 elements of order p and none of a larger multiple) has a
    quotient inside the cyclic group of its automorphisms, which determines the group.
    """
    order = len(orders)
    for p in prime_factors(order):
        multiples = orders[orders % p == 0]
        if order % (p * p) and len(multiples) == p - 1 and (multiples == p).all():
            return f"F{order}"
    return None


def _by_profile(orders: Orders) -> str | None:
    counts = Counter(orders.tolist())
    return next((name for name, profile in PROFILES.items() if profile == counts), None)


def _direct_product(table: Table, orders: Orders) -> str | None:
    """N x M: a centreless normal N and its centraliser, or a central cyclic N and a complement of it."""
    identity = find_identity(table)
    inverse = (table == identity).argmax(axis=1)
    commutes = table == table.T
    for element in range(len(table)):
        conjugates = np.unique(table[table[:, element], inverse])
        normal = generated_subgroup(table, identity, conjugates.tolist())
        centraliser = commutes[:, normal].all(axis=1)
        trivial_overlap = int((normal & centraliser).sum()) == 1
        if 1 < normal.sum() < len(table) and trivial_overlap and normal.sum() * centraliser.sum() == len(table):
            return _product_name(table, orders, normal, centraliser)
    central = np.flatnonzero(commutes.all(axis=1))
    commutators = np.unique(table[table, table[np.ix_(inverse, inverse)]])
    derived = generated_subgroup(table, identity, commutators.tolist())
    for element in sorted(central.tolist(), key=lambda z: -orders[z]):
        factor = generated_subgroup(table, identity, [element])
        if factor.sum() == 1 or (factor & derived).sum() > 1:
            continue
        complement = _complement(table, identity, factor, derived)
        if complement.sum() * factor.sum() == len(table):
            return _product_name(table, orders, complement, factor)
    return None


def _complement(
    table: Table, identity: int, factor: Bool[np.ndarray, " element"], start: Bool[np.ndarray, " element"]
) -> Bool[np.ndarray, " element"]:
    """A maximal subgroup above `start` that meets `factor` in the identity alone, grown greedily."""
    complement = start
    for element in range(len(table)):
        if not complement[element]:
            grown = generated_subgroup(table, identity, [*np.flatnonzero(complement).tolist(), element])
            if (grown & factor).sum() == 1:
                complement = grown
    return complement


def _product_name(
    table: Table, orders: Orders, first: Bool[np.ndarray, " element"], second: Bool[np.ndarray, " element"]
) -> str:
    names = []
    for mask in (first, second):
        members = np.flatnonzero(mask)
        inner = np.searchsorted(members, table[np.ix_(members, members)])
        names.append(isomorphism_type(inner, orders[members]))
    return " x ".join(f"({name})" if name.startswith("order") else name for name in names)
