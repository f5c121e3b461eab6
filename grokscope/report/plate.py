"""What a report is made of: plates, text tables and sections, as they are declared and as they stand on a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grokscope.figures.plates import Plate, ShownRuns

if TYPE_CHECKING:
    from grokscope.runs import Run

__all__ = ["DeclaredSection", "DeclaredTable", "Plate", "Section", "Table", "one_of_each_arm"]


@dataclass(frozen=True)
class Table:
    """Rows of text under column heads."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[str] = frozenset()
    """Columns to align on the right."""
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """One question on a page, and the plates and tables that answer it."""

    name: str
    """Its anchor on the page."""
    title: str
    plates: tuple[Plate, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class DeclaredTable:
    """A text table of a section: the analysis that it shows, and how its cells are written."""

    table: str
    """Name of the analysis."""
    write: Callable[..., Table | None]
    """Called with the table of the analysis; a parameter named `runs` gets the shown runs. None: there is no table."""
    runs: ShownRuns = "one of each arm"


@dataclass(frozen=True)
class DeclaredSection:
    """A section of every report: its plates are those that name it (see `grokscope.figures.plates`)."""

    name: str
    title: str
    tables: tuple[DeclaredTable, ...] = ()
    """Text tables, in their order. They stand below the plates."""
    shows: Callable[[Run], bool] = lambda run: True
    """Whether the section is about a run."""


def one_of_each_arm(runs: Iterable[Run]) -> list[Run]:
    """One run for each task and arm: the first that grokked, or else the first. Runs without checkpoints are left
    out."""
    chosen: dict[tuple[str, str], Run] = {}
    for run in runs:
        key = (run.task.name, run.config.arm)
        if run.steps and (key not in chosen or (not chosen[key].milestones.has_grokked and run.milestones.has_grokked)):
            chosen[key] = run
    return list(chosen.values())
