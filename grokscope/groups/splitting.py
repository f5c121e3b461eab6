"""Splitting a real orthogonal representation into irreducible ones, numerically.

A symmetric matrix that commutes with every rho(g) has invariant eigenspaces, and a random one has
irreducible eigenspaces with probability 1: on m copies of an irrep the commutant is the m x m matrices over
the reals, complex numbers or quaternions, where random self-adjoint elements have distinct eigenvalues.
`irreducible_kind` tells from a character whether a representation is irreducible, and which of the three it has;
`orthonormal_columns` gives the same basis for the same space on every machine, up to rounding.
Source: Dixon, Computing irreducible representations of groups, Math. Comp. 24 (1970), 707-712.
"""

from typing import Literal

import numpy as np
from einops import rearrange
from jaxtyping import Float, Int

Kind = Literal["real", "complex", "quaternionic"]
"""Which algebra the matrices form that commute with a real irreducible representation."""

MAX_DRAWS = 64


def irreducible_kind(character: Float[np.ndarray, " element"], squares: Int[np.ndarray, " element"]) -> Kind | None:
    """The type of the real representation with this character; None if it is reducible.

    With <chi, chi> = (1/n) sum_g chi(g)^2 and the Frobenius-Schur sum nu = (1/n) sum_g chi(g^2), a real
    representation is irreducible exactly if (<chi, chi>, nu) is (1, 1): real, (2, 0): complex, or
    (4, -2): quaternionic. The norm alone would mistake a sum of two real irreps for a complex one.

    Arguments:
        character: `[element]`, chi(g).
        squares: `[element]`, the index of g * g.

    Source: Serre (1977), section 13.2, proposition 39.
    """
    norm = float(np.mean(character**2))
    indicator = float(np.mean(character[squares]))
    signatures: dict[Kind, tuple[int, int]] = {"real": (1, 1), "complex": (2, 0), "quaternionic": (4, -2)}
    for kind, (kind_norm, kind_indicator) in signatures.items():
        if abs(norm - kind_norm) < 1e-6 and abs(indicator - kind_indicator) < 1e-6:
            return kind
    return None


def orthonormal_columns(
    vectors: Float[np.ndarray, "coordinate vector"], rank: int
) -> Float[np.ndarray, "coordinate rank"]:
    """Gram-Schmidt over the first columns that add enough, `rank` of them.

    The next column taken is the first whose squared residual is at least 0.37 times the mean squared
    residual of all columns: one always exists, and the basis is well conditioned. Unlike a singular
    value decomposition, the answer does not turn arbitrarily inside a degenerate span, hence is the
    same on every machine up to rounding.

    Raises ValueError if the columns span fewer than `rank` dimensions.
    """
    residual = np.array(vectors, dtype=np.float64)
    scale = float(np.linalg.norm(residual))
    basis = np.zeros((len(vectors), rank))
    for filled in range(rank):
        energy = np.einsum("cv,cv->v", residual, residual)
        if np.sqrt(energy.sum()) <= 1e-8 * scale:
            raise ValueError(f"vectors span {filled} dimensions; rank = {rank} was asked for")
        chosen = int(np.argmax(energy >= 0.37 * energy.mean()))
        column = residual[:, chosen]
        # Twice is enough: the second pass removes what rounding left along the earlier columns.
        column = column - basis[:, :filled] @ (basis[:, :filled].T @ column)
        basis[:, filled] = column / np.linalg.norm(column)
        residual -= np.outer(basis[:, filled], basis[:, filled] @ residual)
    return basis


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
    transposed = rearrange(matrices, "element row column -> element column row")
    for _ in range(MAX_DRAWS):
        draw = rng.standard_normal(matrices.shape[1:])
        commuting = np.mean(matrices @ (draw + draw.T) @ transposed, axis=0)
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
