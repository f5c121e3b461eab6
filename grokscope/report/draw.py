"""From runs to the sections of a page: what is declared is collected, its tables are made, and they are drawn."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from grokscope.analysis import analyses, milestones, run_all
from grokscope.figures.plates import DeclaredPlate, ShownRuns, call_with, plates
from grokscope.report.plate import DeclaredSection, Section, one_of_each_arm

if TYPE_CHECKING:
    from grokscope.runs import Run

WORKERS = 4
"""Checkpoints that are looked at at a time, if there are so many processors."""


def draw_sections(runs: Sequence[Run], declared: Sequence[DeclaredSection]) -> list[Section]:
    """The sections of a page about some runs, with every plate that is declared for them.

    Sections that have neither a plate nor a table for these runs are left out. Raises ValueError for a plate that
    names a section which is not among those declared.
    """
    of_sections = plates_by_section(plates().values(), [section.name for section in declared])
    sections = [draw_section(section, of_sections[section.name], runs) for section in declared]
    return [section for section in sections if section.plates or section.tables]


def plates_by_section(declared: Collection[DeclaredPlate], sections: Sequence[str]) -> dict[str, list[DeclaredPlate]]:
    """The plates of each section. Raises ValueError for a plate of a section that does not exist."""
    for plate in declared:
        if plate.section not in sections:
            raise ValueError(
                f"plate {plate.name!r} names section = {plate.section!r}, which does not exist; "
                f"there are: {', '.join(sections)}"
            )
    return {section: [plate for plate in declared if plate.section == section] for section in sections}


def draw_section(section: DeclaredSection, declared: Sequence[DeclaredPlate], runs: Sequence[Run]) -> Section:
    """One section, with those of its plates and tables that the runs have something for."""
    about = [run for run in runs if section.shows(run)]
    shown: dict[ShownRuns, list[Run]] = {"all": about, "one of each arm": one_of_each_arm(about)}
    chosen = {plate.name: _table_of(plate, shown[plate.runs]) for plate in declared}
    wanted = [(plate.runs, chosen[plate.name]) for plate in declared] + [
        (text.runs, text.table) for text in section.tables
    ]
    tables = {which: _tables(some, [name for of, name in wanted if of == which]) for which, some in shown.items()}
    reached = {which: milestones(some) for which, some in shown.items() if some}
    drawn = [
        one
        for plate in declared
        if (table := tables[plate.runs].get(chosen[plate.name])) is not None
        for one in plate.draw(table, reached[plate.runs], shown[plate.runs])
    ]
    written = [
        call_with(text.write, tables[text.runs][text.table], {"runs": shown[text.runs]})
        for text in section.tables
        if text.table in tables[text.runs]
    ]
    return Section(section.name, section.title, tuple(drawn), tuple(table for table in written if table is not None))


def _table_of(plate: DeclaredPlate, runs: Sequence[Run]) -> str:
    """The analysis of which a plate shows the table; empty if the plate is not drawn for these runs."""
    for name in plate.tables:
        if all(analyses()[name].applies(run) for run in runs):
            return name
    return "" if plate.needs_every_run else plate.tables[-1]


def _tables(runs: Sequence[Run], names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The tables of some analyses of those runs that have them."""
    wanted = [name for name in dict.fromkeys(names) if name]
    if not runs or not wanted:
        return {}
    return run_all(runs, wanted, min(WORKERS, os.cpu_count() or 1), progress=sys.stderr.isatty())
