"""How much the networks know of the answers, and how much they remember of the examples."""

from __future__ import annotations

import pandas as pd

from grokscope.report.plate import DeclaredSection, DeclaredTable, Table


def onset_table(onsets: pd.DataFrame) -> Table:
    """When each run's signal passed one nat, and when its memory was largest and half gone."""

    def step(value: object) -> str:
        return "–" if pd.isna(value) else f"{value:,}"  # type: ignore[call-overload]

    lines = []
    for row in onsets.to_dict("records"):
        peak = row["memory_peak"]
        cells = (step(row[name]) for name in ("signal_by", "signal_lead", "memory_peak_step"))
        height = "–" if pd.isna(peak) else f"{peak:.1f}"
        lines.append((str(row["run"]), str(row["operation"]), *cells, height, step(row["memory_halved_by"])))
    caption = (
        "By which step (to the spacing of checkpoints) the signal exceeds 1 nat, and how many steps before the grok "
        "that is; when memory is largest, how large it is then (nats), and by which step it is half gone."
    )
    columns = ("run", "operation", "signal > 1", "lead on the grok", "memory peaks", "peak", "half gone")
    return Table(columns, tuple(lines), frozenset(columns[2:]), caption)


SECTION = DeclaredSection("signal", "Signal, memory and noise", (DeclaredTable("margin_onset", onset_table),))
