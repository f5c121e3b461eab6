"""The nonzero residues mod p under multiplication, as a cyclic group by discrete logarithm."""

import numpy as np
from jaxtyping import Int

from grokscope.groups.cyclic import CyclicGroup
from grokscope.groups.number_theory import checked_prime, discrete_log, primitive_root


class UnitsModulo(CyclicGroup):
    """The units mod a prime p: Z_(p-1), whose element i stands for the residue root^i mod p.

    x * y mod p has element (element_of_residue[x] + element_of_residue[y]) mod (p - 1). Zero is not a
    unit and has no element. Frequencies are those of the exponent; k = (p-1)/2 is the Legendre symbol.

    Arguments:
        p: a prime; p = 2 gives the group of one element.

    Attributes (beside those of `CyclicGroup`; labels are the residues):
        p: the prime.
        root: the smallest primitive root mod p.
        element_of_residue: `[p]` int64, element of each residue; -1 for residue 0.
        residue_of_element: `[p-1]` int64, residue of each element.

    Raises ValueError if p is not prime.
    Source: Ireland & Rosen, A Classical Introduction to Modern Number Theory (1990), chapters 4 and 8.
    """

    def __init__(self, p: int) -> None:
        self.p = checked_prime(p, "the group of units mod p")
        self.root = primitive_root(self.p)
        self.element_of_residue: Int[np.ndarray, " residue"] = discrete_log(self.p)
        self.residue_of_element: Int[np.ndarray, " element"] = np.argsort(self.element_of_residue)[1:]
        self.element_of_residue.setflags(write=False)
        self.residue_of_element.setflags(write=False)
        labels = tuple(str(residue) for residue in self.residue_of_element)
        super().__init__(self.p - 1, name=f"units mod {self.p}", labels=labels)
