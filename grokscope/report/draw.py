"""From runs to the sections of a page: what is declared is collected, its tables are made, and they are drawn."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple, get_args

import pandas as pd

from grokscope.analysis import analyses, milestones, run_all
from grokscope.capacity import usable_cores
from grokscope.figures.plates import DeclaredPlate, ShownRuns, call_with, plates
from grokscope.report.plate import DeclaredSection, Plate, Section, one_of_each_arm

if TYPE_CHECKING:
    from grokscope.runs import Run

WORKERS = 4
"""How many checkpoints are analysed at a time, if there are so many processors."""


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
    shown = {which: _shown(which, about, section, declared) for which in get_args(ShownRuns)}
    drawn: list[Plate] = []
    for plate in declared:
        material = shown[plate.runs]
        table = material.tables.get(material.drawn[plate.name])
        if table is not None:
            drawn += plate.draw(table, material.milestones, material.runs)
    written = []
    for text in section.tables:
        material = shown[text.runs]
        if text.table in material.tables:
            written.append(call_with(text.write, material.tables[text.table], {"runs": material.runs}))
    return Section(section.name, section.title, tuple(drawn), tuple(table for table in written if table is not None))


class _Shown(NamedTuple):
    """Some of the runs of a section, and what is shown of them."""

    runs: list[Run]
    milestones: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    drawn: dict[str, str]
    """The analysis that each plate shows, by the name of the plate."""


def _shown(which: ShownRuns, about: list[Run], section: DeclaredSection, declared: Sequence[DeclaredPlate]) -> _Shown:
    runs = about if which == "all" else one_of_each_arm(about)
    drawn = {plate.name: _table_of(plate, runs) for plate in declared if plate.runs == which}
    wanted = [name for name in drawn.values() if name] + [text.table for text in section.tables if text.runs == which]
    if not runs or not wanted:
        return _Shown(runs, pd.DataFrame(), {}, drawn)
    workers = min(WORKERS, usable_cores())
    tables = run_all(runs, list(dict.fromkeys(wanted)), workers, progress=sys.stderr.isatty())
    return _Shown(runs, milestones(runs), tables, drawn)


def _table_of(plate: DeclaredPlate, runs: Sequence[Run]) -> str:
    """The analysis of which a plate shows the table; empty if the plate is not drawn for these runs."""
    for name in plate.tables:
        if all(analyses()[name].applies(run) for run in runs):
            return name
    return "" if plate.needs_every_run else plate.tables[-1]
