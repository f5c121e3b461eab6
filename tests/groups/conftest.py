"""A zoo of finite groups: every law in this folder is tested on each of them."""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import pytest

from grokscope.groups import (
    AlternatingGroup,
    CyclicGroup,
    DihedralGroup,
    FiniteGroup,
    PermutationGroup,
    SymmetricGroup,
    UnitsModulo,
    product,
)


def quaternion_group() -> FiniteGroup:
    """Q8 from 2 x 2 complex matrices: 1, i, j, k and their negatives."""
    one = np.eye(2)
    i = np.array([[1j, 0], [0, -1j]])
    j = np.array([[0, 1], [-1, 0]])
    elements = [sign * unit for unit in (one, i, j, i @ j) for sign in (1, -1)]
    table = [[next(c for c, z in enumerate(elements) if np.allclose(x @ y, z)) for y in elements] for x in elements]
    return FiniteGroup(table, name="Q8")


def frobenius_group(p: int, m: int) -> PermutationGroup:
    """x -> a x + b over the integers mod p, with a in the subgroup of order m of the units."""
    multipliers = [a for a in range(1, p) if pow(a, m, p) == 1]
    maps = [[(a * x + b) % p for x in range(p)] for a in multipliers for b in range(p)]
    return PermutationGroup(maps, name=f"{p}:{m}")


def from_its_table(build: Callable[[], FiniteGroup]) -> FiniteGroup:
    """The same group with nothing known but the table, so that irreps are found numerically."""
    group = build()
    return FiniteGroup(group.table, name=f"table of {group.name}")


def relabelled(build: Callable[[], FiniteGroup], seed: int) -> FiniteGroup:
    """The same group with its elements shuffled: the identity is no longer element 0."""
    table = build().table
    new = np.random.default_rng(seed).permutation(len(table))
    shuffled = np.empty_like(table)
    shuffled[np.ix_(new, new)] = new[table]
    return FiniteGroup(shuffled, name="shuffled")


ZOO: dict[str, Callable[[], FiniteGroup]] = {
    **{f"Z{n}": partial(CyclicGroup, n) for n in [*range(1, 13), 96, 97, 112, 113]},
    **{f"units mod {p}": partial(UnitsModulo, p) for p in (2, 3, 5, 7, 31, 97)},
    **{f"S{n}": partial(SymmetricGroup, n) for n in range(2, 6)},
    **{f"A{n}": partial(AlternatingGroup, n) for n in range(2, 6)},
    **{f"D{n}": partial(DihedralGroup, n) for n in (1, 2, 3, 4, 5, 6, 15)},
    "Q8": quaternion_group,
    "7:3": partial(frobenius_group, 7, 3),
    "5:4": partial(frobenius_group, 5, 4),
    "Z3 x Z3": lambda: product(CyclicGroup(3), CyclicGroup(3)),
    "Z4 x Z6": lambda: product(CyclicGroup(4), CyclicGroup(6)),
    "S3 x Z5": lambda: product(SymmetricGroup(3), CyclicGroup(5)),
    "Q8 x Z3": lambda: product(quaternion_group(), CyclicGroup(3)),
    "Q8 x Q8": lambda: product(quaternion_group(), quaternion_group()),
    "D4 x Z2 x Z2": lambda: product(product(DihedralGroup(4), CyclicGroup(2)), CyclicGroup(2)),
    **{
        f"table of {name}": partial(from_its_table, build)
        for name, build in {
            "Z1": partial(CyclicGroup, 1),
            "Z12": partial(CyclicGroup, 12),
            "Z97": partial(CyclicGroup, 97),
            "S3": partial(SymmetricGroup, 3),
            "S4": partial(SymmetricGroup, 4),
            "S5": partial(SymmetricGroup, 5),
            "A4": partial(AlternatingGroup, 4),
            "A5": partial(AlternatingGroup, 5),
            "D6": partial(DihedralGroup, 6),
            "Z3 x Z3": lambda: product(CyclicGroup(3), CyclicGroup(3)),
            "Q8 x Z3": lambda: product(quaternion_group(), CyclicGroup(3)),
        }.items()
    },
    "shuffled S4": partial(relabelled, partial(SymmetricGroup, 4), 1),
    "shuffled Q8": partial(relabelled, quaternion_group, 2),
}


@cache
def zoo(name: str) -> FiniteGroup:
    return ZOO[name]()


@pytest.fixture(params=list(ZOO))
def group(request: pytest.FixtureRequest) -> FiniteGroup:
    """Each group of the zoo in turn; built once."""
    return zoo(request.param)


@pytest.fixture
def q8() -> FiniteGroup:
    return zoo("Q8")


@pytest.fixture(scope="session")
def build_group() -> Callable[[str], FiniteGroup]:
    """Groups of the zoo by name."""
    return zoo


@pytest.fixture
def build_frobenius() -> Callable[[int, int], PermutationGroup]:
    return frobenius_group


@pytest.fixture
def shuffle() -> Callable[[FiniteGroup, int], FiniteGroup]:
    """The same group with its elements in another order, by seed."""
    return lambda group, seed: relabelled(lambda: group, seed)
