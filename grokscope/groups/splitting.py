"""Splitting a real orthogonal representation into irreducible ones, numerically.

A symmetric matrix that commutes with every rho(g) has invariant eigenspaces, and a random one has
irreducible eigenspaces with probability 1: on m copies of an irrep the commutant is the m x m matrices over
the reals, complex numbers or quaternions, where random self-adjoint elements have distinct eigenvalues.
Source: Dixon, Computing irreducible representations of groups, Math. Comp. 24 (1970), 707-712.
"""

import numpy as np
from jaxtyping import Float, Int

from grokscope.groups.irreps import Kind, irreducible_kind
from grokscope.groups.orthogonal import orthonormal_columns

MAX_DRAWS = 64


def eigenspaces(symmetric: Float[np.ndarray, "d d"], relative_gap: float) -> list[Float[np.ndarray, "d dimension"]]:
    """Bases of the eigenspaces; eigenvalues nearer than `relative_gap` times their spread share one.

    Sharing is harmless (the space is split again by another draw); dividing a true eigenspace would not
    be, and a small gap would cost accuracy: the error of an eigenspace grows as 1 / gap.
    """
    values, vectors = np.linalg.eigh(symmetric)
    threshold = relative_gap * max(float(values[-1] - values[0]), 1e-9 * float(np.abs(values).max()))
    cuts = np.flatnonzero(np.diff(values) > threshold) + 1
    return np.split(vectors, cuts, axis=1)


def restrict(
    matrices: Float[np.ndarray, "element d d"], space: Float[np.ndarray, "d dimension"]
) -> Float[np.ndarray, "element dimension dimension"]:
    """The representation on an invariant subspace, in a basis that depends on the subspace alone."""
    basis = orthonormal_columns(space @ space.T, space.shape[1])
    return basis.T @ matrices @ basis


def split_representation(
    matrices: Float[np.ndarray, "element d d"],
    squares: Int[np.ndarray, " element"],
    rng: np.random.Generator,
) -> list[tuple[Kind, Float[np.ndarray, "element _ _"]]]:
    """Irreducible constituents of a real orthogonal representation, isomorphic copies included.

    C = (1/n) sum_g rho(g) S rho(g)^T for a random symmetric S; split by the eigenspaces of C and go on
    in each until `irreducible_kind` recognises it.

    Arguments:
        matrices: `[element, d, d]`, orthogonal.
        squares: `[element]`, the index of g * g.
        rng: where S comes from.

    Returns: (kind, matrices) of each constituent, in ascending order of eigenvalue.

    Raises RuntimeError if 64 draws do not split a reducible representation (not a representation).
    """
    kind = irreducible_kind(np.trace(matrices, axis1=1, axis2=2), squares)
    if kind is not None:
        return [(kind, matrices)]
    for _ in range(MAX_DRAWS):
        draw = rng.standard_normal(matrices.shape[1:])
        commuting = np.mean(matrices @ (draw + draw.T) @ matrices.transpose(0, 2, 1), axis=0)
        spaces = eigenspaces((commuting + commuting.T) / 2, relative_gap=1e-3)
        if len(spaces) > 1:
            parts = [split_representation(restrict(matrices, space), squares, rng) for space in spaces]
            return [constituent for part in parts for constituent in part]
    raise RuntimeError(f"{MAX_DRAWS} draws did not split a reducible representation of dim {matrices.shape[1]}")


def distinct_constituents(
    constituents: list[tuple[Kind, Float[np.ndarray, "element _ _"]]],
) -> list[tuple[Kind, Float[np.ndarray, "element _ _"]]]:
    """One constituent per isomorphism class, told apart by their characters; the first of each."""
    kept: list[tuple[Kind, Float[np.ndarray, "element _ _"]]] = []
    characters: list[Float[np.ndarray, " element"]] = []
    for kind, matrices in constituents:
        character = np.trace(matrices, axis1=1, axis2=2)
        if not any(np.allclose(character, known, atol=1e-6) for known in characters):
            kept.append((kind, matrices))
            characters.append(character)
    return kept
