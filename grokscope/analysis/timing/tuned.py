"""The best of a grid for every arm: chosen on some seeds, reported on others."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isnan

import pandas as pd

from grokscope.analysis.tables.select import names, where
from grokscope.analysis.timing.medians import medians
from grokscope.analysis.timing.outcomes import Event, Unit, require


def grid_medians(
    table: pd.DataFrame,
    settings: Sequence[str],
    event: Event = "grok",
    unit: Unit = "steps",
) -> pd.DataFrame:
    """The median and the restricted mean of every setting of every arm: arm, the settings, and then as `medians`.

    Restricted means of one arm's settings go up to one horizon.

    Arguments:
        table: of `timing_table`, with a column for each setting that was tried; missing values are a setting too.
        settings: names of those columns.

    Raises ValueError as `outcomes` does, for no settings, and for a missing column.
    """
    if not settings:
        raise ValueError("settings = [] is not accepted: name the columns that the grid varies, such as lr")
    require(table, ("arm", "seed", *settings))
    parts = []
    for arm in names(table, "arm"):
        runs = table.loc[table["arm"].astype(str) == arm]
        point = runs.groupby(list(settings), dropna=False, sort=True).ngroup().map("{:06d}".format)
        values = runs.assign(arm=point).drop_duplicates("arm").sort_values("arm")[["arm", *settings]]
        of_points = medians(runs.assign(arm=point), event, unit, arms=list(values["arm"]))
        parts.append(values.merge(of_points, on="arm").assign(arm=arm))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["arm", *settings])


def best_settings(
    table: pd.DataFrame,
    settings: Sequence[str],
    choose_on: Sequence[int],
    event: Event = "grok",
    unit: Unit = "steps",
) -> pd.DataFrame:
    """The setting with the smallest median on the seeds `choose_on`, for every arm: a row as in `grid_medians` each.

    Equal medians, and settings whose median is not reached, are told apart by their restricted mean, and then by their
    place in the grid. `tried` is the size of the grid, and `tied` how many of its settings are as good.

    Raises ValueError as `grid_medians` does, unless every arm tried the same number of settings (all are tuned with
    the same effort), and unless every setting has a run of every seed of `choose_on`.
    """
    wanted = sorted(set(choose_on))
    if not wanted:
        raise ValueError("choose_on = [] is not accepted: give at least one seed")
    require(table, ("arm", "seed", *settings))
    every = grid_medians(table, settings, event, unit)
    sizes = {arm: len(where(every, arm=arm)) for arm in names(every, "arm")}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{arm} {size}" for arm, size in sizes.items())
        raise ValueError(f"grids have different sizes ({told}): tune every arm over as many settings")
    chosen = table.loc[table["seed"].isin(wanted)]
    seeds = chosen.groupby(["arm", *settings], dropna=False)["seed"].nunique()
    whole = int((seeds == len(wanted)).sum())
    if not 0 < whole == len(every):
        raise ValueError(
            f"{len(every) - whole} of {len(every)} settings lack a run of some seed of choose_on = {wanted}: "
            "choose among settings that have all of them"
        )
    on_grid = grid_medians(chosen, settings, event, unit)
    best = []
    for arm in sizes:
        grid = where(on_grid, arm=arm)
        score = pd.DataFrame({"median": grid["median"].fillna(inf), "mean": grid["restricted_mean"]})
        order = score.sort_values(["median", "mean"], kind="stable")
        tied = int((score.to_numpy() == order.to_numpy()[0]).all(axis=1).sum())
        best.append(grid.loc[[order.index[0]]].assign(tried=sizes[arm], tied=tied))
    return pd.concat(best, ignore_index=True)


def tuned(
    table: pd.DataFrame,
    settings: Sequence[str],
    choose_on: Sequence[int],
    report_on: Sequence[int],
    event: Event = "grok",
    unit: Unit = "steps",
) -> pd.DataFrame:
    """The runs of each arm's best setting, on seeds that it was not chosen on: rows of the table.

    A setting chosen on a seed looks better on that seed than it is, and the more so the larger the grid.

    Arguments:
        table, settings: as for `grid_medians`.
        choose_on, report_on: seeds, none of them in both.

    Raises ValueError as `best_settings` does, for a seed in both lists, and for an arm whose best setting lacks a run
    of a seed of `report_on`: train it and ask again (`best_settings` says which it is).
    Source: Cawley & Talbot 2010 (choosing and reporting on the same data).
    """
    both = sorted(set(choose_on) & set(report_on))
    if both or not report_on:
        told = f"seeds {both} are in choose_on" if both else "there are none"
        raise ValueError(f"report_on = {list(report_on)} is not accepted ({told}): give seeds not chosen on")
    best = best_settings(table, settings, choose_on, event, unit)
    parts = []
    for row in best.to_dict("records"):
        same = (table["arm"].astype(str) == row["arm"]) & table["seed"].isin(list(report_on))
        for name in settings:
            value = row[name]
            missing = isinstance(value, float) and isnan(value)
            same &= table[name].isna() if missing or value is None else table[name] == value
        lacking = sorted(set(report_on) - set(table.loc[same, "seed"]))
        if lacking:
            told = ", ".join(f"{name} {row[name]}" for name in settings)
            raise ValueError(f"arm {row['arm']!r} at its best setting ({told}) has no run of report_on seeds {lacking}")
        parts.append(table.loc[same])
    return pd.concat(parts, ignore_index=True)
