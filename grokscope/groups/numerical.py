"""Real irreps of any finite group from its Cayley table, by splitting the regular representation.

The regular representation L_g e_h = e_{gh} is never written out as matrices `[n, n, n]`. Its commutant
is the right translations, so that a random symmetric element of it is a convolution

    M[g, h] = w(g^-1 h),    w(x) = w(x^-1) random,

whose eigenspaces are irreducible with probability 1; an accidental coincidence of eigenvalues is split
again by `split_representation`. Each irrep occurs in the regular representation, so none is missed.
"""

import numpy as np
from jaxtyping import Float, Int

from grokscope.groups.irreps import Irrep, character_order
from grokscope.groups.naming import letters
from grokscope.groups.splitting import (
    Kind,
    distinct_constituents,
    eigenspaces,
    irreducible_kind,
    orthonormal_columns,
    split_representation,
)

KIND_ORDER: tuple[Kind, ...] = ("real", "complex", "quaternionic")


def numerical_irreps(
    table: Int[np.ndarray, "element element"],
    identity: int,
    inverse: Int[np.ndarray, " element"],
    class_of: Int[np.ndarray, " element"],
    seed: int = 0,
) -> list[Irrep]:
    """All real irreps of a group, matrices orthogonal to rounding, types by the Frobenius-Schur indicator.

    Arguments:
        table, identity, inverse: of the group.
        class_of: `[element]`, index of its conjugacy class.
        seed: of the generator of w; another seed gives the same irreps in other bases.

    Returns: "trivial" first, then by dimension, type and character (larger first), named by dimension
    and a letter: "1a", "2a", "2b", "3a".

    Source: Dixon, Math. Comp. 24 (1970), 707-712; Serre (1977), section 13.2, for the types.
    """
    rng = np.random.default_rng(seed)
    squares = np.diagonal(table)
    distinct = distinct_constituents(_split_regular(table, identity, inverse, class_of, squares, rng))

    def order(constituent: tuple[Kind, Float[np.ndarray, "element _ _"]]) -> tuple:
        kind, matrices = constituent
        character = np.trace(matrices, axis1=1, axis2=2)
        return matrices.shape[1], KIND_ORDER.index(kind), character_order(character)

    # The trivial character is the largest of dimension 1, hence sorts first.
    irreps: list[Irrep] = []
    seen: dict[int, int] = {}
    for kind, matrices in sorted(distinct, key=order):
        if not irreps:
            irreps.append(Irrep("trivial", kind, np.ones_like(matrices)))
            continue
        dim = matrices.shape[1]
        irreps.append(Irrep(f"{dim}{letters(seen.get(dim, 0))}", kind, matrices))
        seen[dim] = seen.get(dim, 0) + 1
    return irreps


def _split_regular(
    table: Int[np.ndarray, "element element"],
    identity: int,
    inverse: Int[np.ndarray, " element"],
    class_of: Int[np.ndarray, " element"],
    squares: Int[np.ndarray, " element"],
    rng: np.random.Generator,
) -> list[tuple[Kind, Float[np.ndarray, "element _ _"]]]:
    """Constituents of the regular representation, at most one space per character written out as matrices."""
    weights = rng.standard_normal(len(table))
    convolution = (weights + weights[inverse])[table[inverse]]
    constituents: list[tuple[Kind, Float[np.ndarray, "element _ _"]]] = []
    characters: list[Float[np.ndarray, " element"]] = []
    for space in eigenspaces(convolution, relative_gap=1e-4):
        character = _character_of_space(space, identity, class_of)
        if any(np.allclose(character, known, atol=1e-6) for known in characters):
            continue
        characters.append(character)
        basis = orthonormal_columns(space @ space.T, space.shape[1])
        # (L_g V)[h] = V[g^-1 h]
        matrices = np.stack([basis.T @ basis[rows] for rows in table[inverse]])
        kind = irreducible_kind(character, squares)
        if kind is None:
            constituents += split_representation(matrices, squares, rng)
        else:
            constituents.append((kind, matrices))
    return constituents


def _character_of_space(
    space: Float[np.ndarray, "element dimension"], identity: int, class_of: Int[np.ndarray, " element"]
) -> Float[np.ndarray, " element"]:
    """chi(g) = tr(L_g P) without the matrices, P the projection on an invariant space.

    P commutes with left translations, P[g, h] = p(g^-1 h), hence chi(g) is n times the mean of p over the
    conjugacy class of g.
    """
    kernel = space @ space[identity]
    class_mean = np.bincount(class_of, weights=kernel) / np.bincount(class_of)
    return len(space) * class_mean[class_of]
