"""The parameter groups that a quantity of weights or gradients is reported for: each parameter, each role, and all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from grokscope.model import ROLES, role

ALL = "all"
GROUPS = (ALL, *ROLES)
"""Names of groups, in the order of tables and figures."""


def parameter_groups(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The parameters under `all`, under each role that one of them has, and under their own names."""
    every = tuple(names)
    by_role = {group: tuple(name for name in every if role(name) == group) for group in ROLES}
    return {ALL: every, **{group: of for group, of in by_role.items() if of}, **{name: (name,) for name in every}}


def by_group(values: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Values by name of `parameter_groups` as rows.

    Returns: group (`all` or a role), parameter (empty for a whole group), and the values.
    """
    rows = [
        {"group": name, "parameter": "", **of} if name in GROUPS else {"group": role(name), "parameter": name, **of}
        for name, of in values.items()
    ]
    return pd.DataFrame(rows)
