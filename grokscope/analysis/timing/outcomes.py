"""What is known of every run of an arm: the time of the event, or how long it was watched without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
import scipy
from jaxtyping import Bool, Float, Int

from grokscope.analysis.tables.select import names, numbers

Event = Literal["memorisation", "grok", "sustained_grok", "delay"]
Unit = Literal["steps", "gradient_evaluations", "seconds"]

LEVEL = 0.95
"""Confidence of every interval, unless said otherwise."""


UNSEEN: dict[str, tuple[str, ...]] = {
    "delay": ("memorisation_by", "grok_by"),
    "sustained_grok": ("sustained_grok_by", "grok_by"),
}
"""Columns of `timing_table` by which an event's time is not known, where they are others than its own."""


@dataclass(frozen=True)
class Outcomes:
    """The runs of one arm, by increasing seed."""

    arm: str
    seed: Int[np.ndarray, " run"]
    time: Float[np.ndarray, " run"]
    """Of the event where it happened; elsewhere until when it is known not to have happened."""
    happened: Bool[np.ndarray, " run"]
    diverged: Bool[np.ndarray, " run"]
    cadence: Float[np.ndarray, " run"]
    """Steps between evaluations, by which an event may be earlier than its time; NaN: not known."""

    @property
    def censored(self) -> scipy.stats.CensoredData:
        """The same for scipy."""
        return scipy.stats.CensoredData(uncensored=self.time[self.happened], right=self.time[~self.happened])

    def of_seeds(self, seeds: Sequence[int] | Int[np.ndarray, " seed"]) -> Outcomes:
        """The runs of some seeds."""
        keep = np.isin(self.seed, seeds)
        kept = (values[keep] for values in (self.seed, self.time, self.happened, self.diverged, self.cadence))
        return Outcomes(self.arm, *kept)


def outcomes(
    table: pd.DataFrame, event: Event = "grok", unit: Unit = "steps", arms: Sequence[str] | None = None
) -> dict[str, Outcomes]:
    """The runs of each arm, in order of appearance.

    A run without the event is censored at its last evaluation (`observed`; `sustained_observed` for a sustained grok,
    or 0 where that is <NA>, which says nothing).
    One that diverged is censored at its budget, for the event cannot come any more: censored where it diverged it would
    be all but dropped, and an arm that diverges often would look fast.
    A delay is censored at what was seen of it: the time since the run memorised, or 0 if it did neither, which
    says nothing. A run that grokked and had not memorised when it was last seen has a delay of at most grok - observed,
    and is entered at that: no later part of a curve depends on where before it the delay was.

    Arguments:
        table: of `timing_table`, or with its columns that the event and the unit need.
        event: memorisation, grok, sustained_grok or delay.
        unit: steps, gradient_evaluations or seconds.
        arms: which, in which order; one that has no runs in the table is there without any. None: those in the table.

    Raises ValueError for another event or unit, for a missing column, for two runs of one arm and seed, and for a run
    whose time in this unit is not known, as where the event may lie before what is known of it (an imported network):
    a sustained grok may, where a grok does.
    """
    choice("event", event, get_args(Event))
    choice("unit", unit, get_args(Unit))
    require(table, ("arm", "seed"))
    twice = table.loc[table.duplicated(["arm", "seed"]), ["arm", "seed"]]
    if len(twice):
        arm, seed = twice.iloc[0]
        raise ValueError(f"arm {arm!r} has seed {seed} twice: give one run per arm and seed (of one task, one setting)")
    for before in UNSEEN.get(event, (f"{event}_by",)):
        later = table.loc[table[before].notna()] if before in table else table.iloc[:0]
        if len(later):
            row = later.iloc[0]
            what = "it" if before == f"{event}_by" else f"the {before.removesuffix('_by')}"
            raise ValueError(
                f"arm {row['arm']!r} seed {row['seed']} has no {event} time: {what} lies at or before step "
                f"{row[before]}, and what came before is not known; leave the run out"
            )
    values = _values(table, _columns(event, unit))
    wrong = np.isnan(values["time"])
    if wrong.any():
        row = table.loc[wrong].iloc[0]
        raise ValueError(
            f"arm {row['arm']!r} seed {row['seed']} has no {event} time in {unit}: "
            "use unit = 'steps', or runs whose metrics have it"
        )
    order = np.argsort(values["seed"], kind="stable")
    of_arm = table["arm"].astype(str).to_numpy()[order]
    chosen = names(table, "arm") if arms is None else list(arms)
    return {
        arm: Outcomes(arm, **{name: column[order][of_arm == arm] for name, column in values.items()}) for arm in chosen
    }


def _columns(event: Event, unit: Unit) -> dict[str, str]:
    """The columns that say whether it happened (in steps) and when (in the unit), and until when it was watched."""
    step, ending = ("step", "") if unit == "steps" else (unit, f"_{unit}")
    end = "sustained_observed" if event == "sustained_grok" else "observed"
    columns = {"whether": f"{event}_step", "time": f"{event}_{step}", "end": end + ending, "budget": f"budget{ending}"}
    if event == "sustained_grok":
        columns |= {"ruled_out": "sustained_observed"}
    if event == "delay":
        columns |= {"whether": "grok_step", "time": f"delay{ending}"}
        columns |= {"learned": "memorisation_step", "memorised": f"memorisation_{step}", "grokked": f"grok_{step}"}
    return columns


def _values(table: pd.DataFrame, columns: dict[str, str]) -> dict[str, np.ndarray]:
    """The columns of `Outcomes`, a place per row of the table."""
    diverged = np.asarray(table["status"] == "diverged") if "status" in table else np.zeros(len(table), dtype=bool)
    wanted = {name: column for name, column in columns.items() if name != "budget" or diverged.any()}
    require(table, ("arm", "seed", *wanted.values()))
    known = {name: numbers(table, column) for name, column in wanted.items()}
    happened, time = ~np.isnan(known["whether"]), known["time"]
    end = np.where(np.isnan(known["ruled_out"]), 0.0, known["end"]) if "ruled_out" in known else known["end"]
    end = np.where(diverged, known.get("budget", np.nan), end)
    if "learned" in known:
        learned = ~np.isnan(known["learned"])
        time = np.where(learned, time, known["grokked"] - end)
        end = np.where(learned, end - known["memorised"], 0.0)
    return {
        "seed": table["seed"].to_numpy(dtype=np.int64),
        "time": np.where(happened, time, end),
        "happened": happened,
        "diverged": diverged & ~happened,
        "cadence": numbers(table, "cadence") if "cadence" in table else np.full(len(table), np.nan),
    }


def choice(field: str, value: object, accepted: Sequence[object]) -> None:
    """Raise ValueError unless a value is one of those accepted."""
    if value not in accepted:
        raise ValueError(f"{field} = {value!r} is not accepted: use one of {', '.join(map(str, accepted))}")


def require(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raise ValueError unless a table has the columns."""
    missing = [name for name in columns if name not in table]
    if missing:
        raise ValueError(f"the table has no column {', '.join(missing)} (see timing_table); it has {list(table)}")


def fraction(field: str, value: float) -> None:
    """Raise ValueError unless a value is between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{field} = {value!r} is not accepted: use a number between 0 and 1, such as {LEVEL}")


def amount(time: float, unit: Unit) -> str:
    """A time in words: `540 steps`, `12.3 seconds`."""
    number = f"{time:,.0f}" if time == round(time) or abs(time) >= 1000 else f"{time:,.3g}"
    return f"{number} {unit.replace('_', ' ')}"
