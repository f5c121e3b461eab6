"""How much of the logits is a character of a * b * c^-1.

A network that finds c = a * b by comparing representations has logits

    L[a, b, c] = sum_rho w_rho chi_rho(a * b * c^-1),

for Z_n sums of cos(w(a + b - c)): largest at the right answer, where every character is chi(e) = d. Characters of
different irreps are orthogonal over all triples (a, b, c), and sum chi_rho^2 = commutant_dim n^3.
Source: Nanda et al. 2023, section 4.1 (cos(w(a + b - c)) in the logits); Chughtai et al. 2023, section 5.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from grokscope.analysis.checkpoint.basis import GridBasis
from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.columns import irrep_columns
from grokscope.analysis.checkpoint.frames import has_group
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints


@over_checkpoints(family="fourier", version=1, applies_to=has_group)
def logit_characters(checkpoint: Checkpoint) -> pd.DataFrame:
    """Each character's coefficient in the logits, and the share of them that it explains.

    Over logits centred for every pair over the group's answers (which changes no probability among them) and
    for every answer over all pairs.

        coefficient = <L, chi> / <chi, chi>      cosine = <L, chi> / (||L|| ||chi||)      share = cosine^2

    Returns:
        run, task, arm, seed, step, operation, basis, group, irrep, frequency, coefficient (nats), cosine, share.
        Logits that do not vary over pairs have coefficient, cosine and share 0.
    """
    tables = []
    for frame in checkpoint.context.frames:
        basis = checkpoint.context.bases[frame]
        logits = checkpoint.centred_logits(frame)
        inner, square = character_products(basis, logits.product.double())
        norm = float(logits.variance.sum()) ** 0.5
        cosine = (inner / (norm * np.sqrt(square)) if norm > 0 else np.zeros_like(inner))[1:]
        tables.append(
            pd.DataFrame(
                {
                    **frame.keys,
                    **irrep_columns(frame.group, range(1, len(inner))),
                    "coefficient": (inner / square)[1:] if norm > 0 else 0.0,
                    "cosine": cosine,
                    "share": cosine**2,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def character_products(
    basis: GridBasis, product_coefficients: Float[Tensor, "column answer"]
) -> tuple[Float[np.ndarray, " irrep"], Float[np.ndarray, " irrep"]]:
    """<L, chi_rho> and <chi_rho, chi_rho> over all triples, chi_rho at a * b * c^-1.

    With H[g, c] the mean of L[., ., c] over a * b = g, and sum_m F[g, m] F[c, m] = (d / (commutant_dim n))
    chi(g c^-1) over the columns m of rho,

        <L, chi> = n sum_gc H[g, c] chi(g c^-1) = (commutant_dim n^2 / d) sum_mc H^[m, c] F[c, m].

    Arguments:
        product_coefficients: H^ = F^T H, `[column, answer]`, answers in the order of elements.
    """
    n = basis.n
    overlap = (product_coefficients * basis.F.T).sum(1)
    by_irrep = np.array([float(overlap[span].sum()) for span in basis.spans])
    kinds = np.array([irrep.commutant_dim for irrep in basis.group.irreps], dtype=np.float64)
    dims = np.array([irrep.dim for irrep in basis.group.irreps])
    return kinds * n**2 / dims * by_irrep, kinds * n**3
