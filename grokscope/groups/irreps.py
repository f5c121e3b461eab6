"""A real irreducible representation, with its character and the basis of functions that it gives."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from einops import rearrange
from jaxtyping import Float

from grokscope.groups.splitting import Kind, orthonormal_columns

SHARED_FREQUENCY = ("B1", "B2")
"""Names of the irreps whose frequency another irrep of their group has too: of D_n, n even."""
TURN_DIGITS = 12
"""Of a turn: what rounding leaves below a full one is none."""
COMMUTANT_DIM: dict[Kind, int] = {"real": 1, "complex": 2, "quaternionic": 4}


@dataclass(frozen=True, eq=False)
class Irrep:
    """A real irreducible representation rho of a finite group G by orthogonal matrices.

    Arguments:
        name: the usual short name, unique in its group ("trivial", "sign", "standard", "k=3").
        kind: what the real d x d matrices commuting with every rho(g) form: the reals ("real", dimension
            1), the complex numbers ("complex", 2) or the quaternions ("quaternionic", 4). A rotation of
            Z_n is of complex type: over the complex numbers it splits in a pair of conjugates.
        matrices: `[element, d, d]`, float64, rho(a * b) = rho(a) @ rho(b); stored read-only.
        label: a second usual name where there is one (partition "(4,1)"; Mulliken symbol "E1").
        partition: of n, for irreps of S_n and A_n.
        frequency: k for irreps of cyclic and dihedral groups (0 trivial, n/2 for the sign of Z_n; the sign of D_n has
            none).

    Raises ValueError for matrices that are not `[element, d, d]` or a kind that is none of the three.

    Source: Serre, Linear Representations of Finite Groups (1977), section 13.2.
    """

    name: str
    kind: Kind
    matrices: Float[np.ndarray, "..."] = field(repr=False)  # [element, d, d]; __post_init__ checks and explains
    label: str = ""
    partition: tuple[int, ...] | None = None
    frequency: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in COMMUTANT_DIM:
            raise ValueError(f"kind = {self.kind!r} is unknown; accepted: {', '.join(COMMUTANT_DIM)}")
        matrices = np.array(self.matrices, dtype=np.float64)
        if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2] or 0 in matrices.shape:
            raise ValueError(f"matrices of irrep {self.name!r} have shape {matrices.shape}; need [element, d, d]")
        if matrices.shape[1] % COMMUTANT_DIM[self.kind]:
            raise ValueError(
                f"irrep {self.name!r} of kind {self.kind} has dim {matrices.shape[1]}; complex irreps have "
                "even real dimension and quaternionic ones a multiple of 4"
            )
        matrices.setflags(write=False)
        object.__setattr__(self, "matrices", matrices)

    @property
    def turns(self) -> Float[np.ndarray, " element"] | None:
        """How far rho(g) turns the first axis, in full turns from 0 up to 1; None without a frequency.

        For the frequency k of Z_n it is k x / n mod 1 of what corresponds to x, whichever order elements are in. Of one
        dimension it is 0 or 1/2.
        """
        if self.frequency is None:
            return None
        axis = self.matrices[:, :, 0]
        angle = np.arctan2(axis[:, 1], axis[:, 0]) if self.dim > 1 else np.pi * (axis[:, 0] < 0)
        return np.round(angle / (2 * np.pi), TURN_DIGITS) % 1

    @property
    def dim(self) -> int:
        """d, the real dimension."""
        return self.matrices.shape[1]

    @property
    def commutant_dim(self) -> int:
        """1, 2 or 4: the real dimension of the matrices that commute with every rho(g)."""
        return COMMUTANT_DIM[self.kind]

    @property
    def span_dim(self) -> int:
        """d^2 / commutant_dim: the dimension of the span of the matrix entries as functions on G."""
        return self.dim**2 // self.commutant_dim

    @cached_property
    def character(self) -> Float[np.ndarray, " element"]:
        """chi(g) = tr rho(g), read-only."""
        character = np.trace(self.matrices, axis1=1, axis2=2)
        character.setflags(write=False)
        return character

    def basis(self) -> Float[np.ndarray, "element span"]:
        """Orthonormal basis (columns) of the functions g -> tr(A rho(g)), A any d x d matrix; read-only.

        Real type: sqrt(d / n) rho_ij(g), the columns j of rho one after the other (Schur
        orthogonality). Otherwise only d^2 / commutant_dim entries are independent: the first ones in
        that order, orthonormalised; for a rotation of Z_n, sqrt(2/n) cos and sqrt(2/n) sin.
        The bases of all irreps of G together are an orthonormal basis of the functions on G.

        Source: Serre (1977), section 2.2, corollary 3 to Schur's lemma.
        """
        return self._basis

    @cached_property
    def _basis(self) -> Float[np.ndarray, "element span"]:
        entries = rearrange(self.matrices, "element row column -> element (column row)")
        if self.kind == "real":
            basis = entries * np.sqrt(self.dim / len(self.matrices))
        else:
            basis = orthonormal_columns(entries, self.span_dim)
        basis.setflags(write=False)
        return basis


def character_order(character: Float[np.ndarray, " element"]) -> tuple[float, ...]:
    """Sort key that puts larger characters first, element by element; rounding does not change it."""
    return tuple((-np.round(character, 6) + 0.0).tolist())


def short_label(name: str, frequency: int | None) -> str:
    """A label that tells an irrep from all others of its group: the number of its frequency, or its name.

    The name is taken where an irrep has no frequency, and where it shares it: B1 and B2 of D_n both turn by half.
    """
    return name if frequency is None or name in SHARED_FREQUENCY else str(frequency)


def check_complete(irreps: Sequence[Irrep], order: int, group_name: str) -> None:
    """Raise RuntimeError unless sum_rho d^2 / commutant_dim = |G|, as it is for the full set of irreps."""
    total = sum(irrep.span_dim for irrep in irreps)
    if total != order:
        raise RuntimeError(f"the irreps of {group_name} span {total} functions, not {order}: one is missing")
