"""The direct product of two groups, with irreps from tensor products of theirs."""

import numpy as np
from einops import rearrange

from grokscope.groups.finite import FiniteGroup
from grokscope.groups.irreps import Irrep, character_order
from grokscope.groups.splitting import distinct_constituents, split_representation


class ProductGroup(FiniteGroup):
    """G x H: element a * |H| + b stands for the pair (a, b), multiplied part by part.

    For real irreps rho of G and sigma of H, rho(a) (x) sigma(b) is irreducible if one of the two is of real
    type; else it splits: complex with complex in two ("k=1 x k=1 (1)", "k=1 x k=1 (2)"), the cases
    with a quaternionic factor in copies of one. Each irrep of G x H arises so, exactly once.

    Arguments:
        g, h: the factors, kept as attributes `g` and `h`.

    Source: Serre, Linear Representations of Finite Groups (1977), section 3.2, theorem 10.
    """

    def __init__(self, g: FiniteGroup, h: FiniteGroup) -> None:
        self.g, self.h = g, h
        table = g.table[:, None, :, None] * h.order + h.table[None, :, None, :]
        pairs = rearrange(table, "a b other_a other_b -> (a b) (other_a other_b)")
        labels = [f"({a}, {b})" for a in g.labels for b in h.labels]
        super().__init__(pairs, name=f"{_factor(g)} x {_factor(h)}", labels=labels)

    def _build_irreps(self) -> list[Irrep]:
        squares = np.diagonal(self.table)
        rng = np.random.default_rng(0)
        irreps: list[Irrep] = []
        for rho in self.g.irreps:
            for sigma in self.h.irreps:
                name = "trivial" if not irreps else f"{rho.name} x {sigma.name}"
                entries = np.einsum("aij,bkl->abikjl", rho.matrices, sigma.matrices)
                tensor = rearrange(entries, "a b i k j l -> (a b) (i k) (j l)")
                parts = distinct_constituents(split_representation(tensor, squares, rng))
                parts.sort(key=lambda part: character_order(np.trace(part[1], axis1=1, axis2=2)))
                for number, (kind, matrices) in enumerate(parts, start=1):
                    suffix = f" ({number})" if len(parts) > 1 else ""
                    irreps.append(Irrep(name + suffix, kind, matrices))
        return irreps


def product(g: FiniteGroup, h: FiniteGroup) -> ProductGroup:
    """The direct product G x H; see `ProductGroup`."""
    return ProductGroup(g, h)


def _factor(group: FiniteGroup) -> str:
    """Brackets around a name that is itself a product: (Z2 x Z2) x Z3."""
    return f"({group.name})" if " " in group.name else group.name
