"""Columns that tables about irreps share."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from grokscope.groups import FiniteGroup


def irrep_columns(group: FiniteGroup, irreps: Iterable[int | None]) -> dict[str, pd.api.extensions.ExtensionArray]:
    """`irrep`, by name, and `frequency`, which only irreps of cyclic and dihedral groups have; <NA> for None."""
    chosen = [None if index is None else group.irreps[index] for index in irreps]
    return {
        "irrep": pd.array([None if irrep is None else irrep.name for irrep in chosen], dtype="string"),
        "frequency": pd.array([None if irrep is None else irrep.frequency for irrep in chosen], dtype="Int64"),
    }
