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
"""

from __future__ import annotations

import math
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
        spans = np.array([irrep.span_dim for irrep in group.irreps])
        self._mean, self._unit = spans / (n - 1), np.sqrt(spans)
        self._identity = np.arange(n)
        # Each test reads its Gram matrix at the same places; for a large group they take too much memory to be kept.
        self._places = [self._places_of(pi) for pi in self.relabellings] if draws * n**2 <= BLOCK else None

    def test(self, table: Float[np.ndarray, "element unit"]) -> Significance:
        """The power of every irrep in a table, whether labelled by operand or by answer, with its null.

        A table that is constant over the elements has no power anywhere, and no keys.
        """
        centred = np.asarray(table, dtype=np.float64)
        centred = centred - centred.mean(0)
        scale = np.abs(table).max(initial=0.0)
        gram = centred @ centred.T
        total = float(np.trace(gram))
        if total <= (64 * np.finfo(np.float64).eps * scale) ** 2 * table.size:
            none = np.zeros(len(self._kernels))
            return Significance(none, none + 1.0, none + 1.0)
        gram = gram / total
        power = self._power(gram, self._identity[None])[0]
        largest = np.sort(self._scores(self._power(gram, self.relabellings)).max(axis=1))
        exceeded = len(largest) - np.searchsorted(largest, self._scores(power) - ROUNDING)
        threshold = self._mean + self._unit * largest[self.rank - 1]
        return Significance(power, threshold, np.concatenate([[1.0], (1 + exceeded) / (1 + len(largest))]))

    def _scores(self, power: Float[np.ndarray, "*draw irrep"]) -> Float[np.ndarray, "*draw nontrivial"]:
        return ((power - self._mean) / self._unit)[..., 1:]

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
