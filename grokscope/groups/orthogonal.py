"""An orthonormal basis of a span, chosen so that the same span always gives the same basis."""

import numpy as np
from jaxtyping import Float


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
