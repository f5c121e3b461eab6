"""The relabelling null: how large the largest power of any irrep is when the labels mean nothing.

For a table T `[element, unit]` (an embedding, say) the power of an irrep is the share of the variance over
elements that lies in its span,

    power(rho) = ||P_rho T||^2 / ||T||^2,      T centred,   P_rho[g, h] = (d / (c n)) chi_rho(g h^-1)

(d the dimension, c the dimension of the commutant, n = |G|). Relabelling means T'[g] = T[pi(g)] for a random
permutation pi of the elements. If labels mean nothing, T and T' have the same distribution: exactly so for the
embedding of an untrained network, whose rows are drawn alike. So power(rho) is compared with the distribution
over pi of the *largest* power of any irrep: exceeding its upper alpha quantile happens, for any irrep at all,
with probability at most alpha. (Max-statistic permutation test: Westfall and Young 1993, chapter 2.)

Irreps of different size s = d^2 / c (the dimension of their span; 2 for a frequency, 1 for the sign) are compared by

    z(rho) = (power(rho) - s / (n - 1)) / sqrt(s),

the excess over what labels without meaning give on average, in units in which it spreads about equally. Among
frequencies this is the order of their powers; without it a sign could never be significant.

Since P_rho depends on g h^-1 alone, a draw needs the n numbers A[h] = sum_g K[pi(hg), pi(g)] of the Gram matrix
K = T T^T, however many units there are.

The test can also be made of what is left of a table without some irreps (`without`), R = T - sum_S P_rho T. A
relabelling of R is no longer free of S, as R is, so S is taken out of the relabelled table again and powers are shares
of what then is left:

    power'(rho) = ||P_rho R'||^2 / (||R'||^2 - sum_S ||P_sigma R'||^2),     R'[g] = R[pi(g)],     rho not in S

because P_rho and P_sigma are orthogonal. Without this every irrep of R would look too large, for R spreads over
n - 1 - sum_S s dimensions and R' over n - 1. R and R' are alike in distribution up to that projection (the
permutation of residuals of Freedman and Lane 1983, "A Nonstochastic Interpretation of Reported Significance Levels").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from grokscope.analysis.checkpoint.blocks import BLOCK
from grokscope.groups import FiniteGroup

DRAWS = 200
ALPHA = 0.01
"""Family-wise: over all irreps of one table."""
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Significance:
    """The power of every irrep in one table, against the null of the largest."""

    power: Float[np.ndarray, " irrep"]
    threshold: Float[np.ndarray, " irrep"]
    """The power that has to be exceeded."""
    p_value: Float[np.ndarray, " irrep"]
    """(1 + number of draws whose largest z is at least this one's) / (1 + draws): family-wise."""

    @property
    def keys(self) -> Int[np.ndarray, " key"]:
        """Irreps whose power exceeds the threshold."""
        # The margin is for rounding: with one irrep every relabelling has the same power, 1.
        return np.flatnonzero(self.power > self.threshold + ROUNDING)


class RelabellingNull:
    """Random relabellings of a group's elements, the same for every table that is put to the test.

    Arguments:
        group: of order n.
        draws: number of relabellings.
        alpha: family-wise level; (1 - alpha)(draws + 1) draws must lie below the threshold, so at least
            1 / alpha - 1 draws are needed.
        seed: of the permutations.
    """

    def __init__(self, group: FiniteGroup, draws: int = DRAWS, alpha: float = ALPHA, seed: int = 0) -> None:
        self.rank = math.ceil((1 - alpha) * (draws + 1))
        if self.rank > draws:
            raise ValueError(
                f"draws = {draws} cannot show a level of alpha = {alpha}: use at least {math.ceil(1 / alpha) - 1} draws"
            )
        self.group = group
        rng = np.random.default_rng(seed)
        self.relabellings: Int[np.ndarray, "draw element"] = np.stack(
            [rng.permutation(group.order) for _ in range(draws)]
        )
        n = group.order
        self._kernels = np.stack([irrep.character * (irrep.dim / (irrep.commutant_dim * n)) for irrep in group.irreps])
        self._kernels[0] = 0.0  # a centred table has nothing there
        self.spans: Int[np.ndarray, " irrep"] = np.array([irrep.span_dim for irrep in group.irreps])
        """The dimension s of each irrep's span."""
        self._identity = np.arange(n)
        # Each test reads its Gram matrix at the same places; for a large group they take too much memory to be kept.
        self._places = [self._places_of(pi) for pi in self.relabellings] if draws * n**2 <= BLOCK else None

    def test(self, table: Float[np.ndarray, "element unit"], without: Sequence[int] = ()) -> Significance:
        """The power of every irrep in a table, whether labelled by operand or by answer, with its null.

        A table that is constant over the elements has no power anywhere, and no keys. One with a number that is not
        finite has no keys either; its powers and thresholds are NaN.

        Arguments:
            table: of any units.
            without: irreps that are taken out of the table first. Powers and thresholds are then shares of what is
                left, where these irreps have power 0 and p_value 1; if nothing is left, so have all.
        """
        tested = np.setdiff1d(np.arange(1, len(self.spans)), without)
        centred = np.asarray(table, dtype=np.float64)
        scale = np.abs(centred).max(initial=0.0)
        if not np.isfinite(scale):
            return self._unknown(tested)
        # To at most 1 by a power of two, so that no square overflows or vanishes and no bit of a share changes.
        centred = np.ldexp(centred, -int(np.frexp(scale)[1]))
        centred = centred - centred.mean(0)
        whole = float(np.square(centred).sum())
        if whole <= (64 * np.finfo(np.float64).eps * np.frexp(scale)[0]) ** 2 * table.size:
            return self._nothing()
        for irrep in without:
            basis = self.group.irreps[irrep].basis()
            centred = centred - basis @ (basis.T @ centred)
        gram = centred @ centred.T
        total = float(np.trace(gram))
        if without and total <= ROUNDING * whole:
            return self._nothing()
        if not len(tested):
            return self._nothing()
        gram = gram / total
        power = self._power(gram, self._identity[None])[0]
        drawn = self._power(gram, self.relabellings)
        drawn = drawn / (1.0 - drawn[:, list(without)].sum(axis=1, keepdims=True))
        spans = self.spans[tested]
        mean, unit = spans / spans.sum(), np.sqrt(spans)
        largest = np.sort(((drawn[:, tested] - mean) / unit).max(axis=1))
        exceeded = len(largest) - np.searchsorted(largest, (power[tested] - mean) / unit - ROUNDING)
        result = self._nothing()
        result.power[tested] = power[tested]
        result.threshold[tested] = mean + unit * largest[self.rank - 1]
        result.p_value[tested] = (1 + exceeded) / (1 + len(largest))
        return result

    def _nothing(self) -> Significance:
        count = len(self.spans)
        return Significance(np.zeros(count), np.ones(count), np.ones(count))

    def _unknown(self, tested: Int[np.ndarray, " irrep"]) -> Significance:
        result = self._nothing()
        result.power[tested] = result.threshold[tested] = np.nan
        return result

    def _power(
        self, gram: Float[np.ndarray, "element element"], relabellings: Int[np.ndarray, "draw element"]
    ) -> Float[np.ndarray, "draw irrep"]:
        kept = self._places if relabellings is self.relabellings else None
        correlations = np.empty((len(relabellings), self.group.order))
        flat = gram.ravel()
        for draw, places in enumerate(kept or map(self._places_of, relabellings)):
            correlations[draw] = flat.take(places).sum(axis=1)  # [h, g] -> h
        return correlations @ self._kernels.T

    def _places_of(self, pi: Int[np.ndarray, " element"]) -> Int[np.ndarray, "h g"]:
        """Where K[pi(hg), pi(g)] is in the flattened K."""
        return pi[self.group.table] * self.group.order + pi
