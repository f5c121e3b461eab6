"""Groups of permutations, multiplied as the `permutation` task does, first a, then b, or the other way round."""

from typing import Any, Literal

import numpy as np
from jaxtyping import Int

from grokscope.groups.finite import FiniteGroup


class PermutationGroup(FiniteGroup):
    """A group of permutations of 0..m-1, listed in any order.

    A product of functions is read from the right, so that the two ways of multiplying are

        "ba"   table[a, b] = index of the permutation i -> b[a[i]]   (b after a: first a, then b)
        "ab"   table[a, b] = index of the permutation i -> a[b[i]]   (a after b: first b, then a)

    Arguments:
        permutations: `[element, point]` integers, each row a permutation of 0..m-1; closed under the product.
        name: what to call the group.
        product: "ba" or "ab".

    Attributes (beside those of `FiniteGroup`; labels are the permutations in one-line notation):
        permutations: `[element, point]` int64, read-only.
        degree: m.
        product: as given.

    Raises ValueError if a row is not a permutation, occurs twice, or a product is missing.
    """

    def __init__(self, permutations: Any, *, name: str, product: Literal["ab", "ba"] = "ba") -> None:
        if product not in ("ab", "ba"):
            raise ValueError(f"product = {product!r} is unknown; accepted: ab, ba")
        self.product = product
        rows = np.asarray(permutations)
        if rows.ndim != 2 or 0 in rows.shape or not np.issubdtype(rows.dtype, np.integer):
            raise ValueError(
                f"permutations has shape {rows.shape} and dtype {rows.dtype}; need integers [element, point]"
            )
        self.degree = rows.shape[1]
        wrong = np.flatnonzero((np.sort(rows, axis=1) != np.arange(self.degree)).any(axis=1))
        if len(wrong):
            raise ValueError(
                f"permutations[{wrong[0]}] = {rows[wrong[0]].tolist()} is not a permutation of 0..{self.degree - 1}"
            )
        self.permutations: Int[np.ndarray, "element point"] = rows.astype(np.int64)
        self.permutations.setflags(write=False)
        separator = "" if self.degree <= 10 else "-"
        labels = [separator.join(map(str, row)) for row in self.permutations.tolist()]
        first_a_then_b = _product_table(self.permutations)
        table = first_a_then_b if product == "ba" else first_a_then_b.T
        super().__init__(table, name=name, labels=labels)


def inversions(permutations: Int[np.ndarray, "element point"]) -> Int[np.ndarray, " element"]:
    """Number of pairs i < j with a[i] > a[j]: the length of a in adjacent transpositions; odd for odd a."""
    degree = permutations.shape[1]
    first, second = np.triu_indices(degree, k=1)
    return (permutations[:, first] > permutations[:, second]).sum(axis=1).astype(np.int64)


def _product_table(permutations: Int[np.ndarray, "element point"]) -> Int[np.ndarray, "element element"]:
    index = {row.tobytes(): i for i, row in enumerate(permutations)}
    if len(index) != len(permutations):
        raise ValueError(f"permutations has {len(permutations)} rows, only {len(index)} of them distinct")
    table = np.empty((len(permutations), len(permutations)), dtype=np.int64)
    for a, first in enumerate(permutations):
        # Row b of the products is b[a[0]], b[a[1]], ...
        for b, product in enumerate(np.ascontiguousarray(permutations[:, first])):
            place = index.get(product.tobytes())
            if place is None:
                raise ValueError(
                    f"permutations is not closed: {first.tolist()} then {permutations[b].tolist()} gives "
                    f"{product.tolist()}, which is missing"
                )
            table[a, b] = place
    return table
