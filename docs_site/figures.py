"""The gallery, and a page per figure."""

from __future__ import annotations

import inspect
from typing import get_type_hints

from matplotlib.figure import Figure

from docs_site.api import public_names
from docs_site.declared import own_plates
from docs_site.docstrings import escaped, first_line
from docs_site.pages import Group, Page, fenced, table
from docs_site.record import Record, ShownRun
from docs_site.shown import image, pictures, title_of
from grokscope import figures
from grokscope.figures.plates import DeclaredPlate
from grokscope.report import SECTIONS


def figure_pages(record: Record) -> Group:
    """The gallery and the pages of all figures, by section of a report."""
    every = own_plates().values()
    sections = {section.title: [plate for plate in every if plate.section == section.name] for section in SECTIONS}
    of_sections = [
        Group(title, tuple(figure_page(plate, record) for plate in of_section))
        for title, of_section in sections.items()
    ]
    return Group("Figures", (_gallery(sections, record), *of_sections))


def _gallery(sections: dict[str, list[DeclaredPlate]], record: Record) -> Page:
    """Every figure, small."""
    path = "gallery.md"
    parts = [
        "# Gallery",
        "Every figure that a report can show, drawn from two runs by `make gallery`. A figure leads to its page, with "
        "all of its pictures, its caption, and how it is drawn.",
        *(f"**{escaped(run.about)}**: {_grok(run)}.\n\n{fenced(run.command, 'sh')}" for run in record.runs),
    ]
    for title, of_section in sections.items():
        parts += [f"## {title}", '<div class="gallery" markdown>']
        for plate in of_section:
            drawn = record.figures[plate.name].pictures
            shown = image(drawn[0], path, title_of(plate.name)) if drawn else "*Not drawn for these runs.*"
            link = f"[{title_of(plate.name)}](figures/{plate.name}.md)"
            parts.append(f'<div class="shown" markdown>\n\n{link}\n\n{shown}\n\n</div>')
        parts.append("</div>")
    parts += [
        "## Figures of comparisons",
        "These draw tables of many runs, of a sweep or of an experiment, and are on the pages of [results]"
        "(reports/index.md). A report on a run has none of them.",
        table(("figure", "what it shows"), [_elsewhere(name) for name in not_in_reports()]),
    ]
    return Page(path, "Gallery", "\n\n".join(parts) + "\n")


def not_in_reports() -> list[str]:
    """The names of the figure functions that no plate is declared for."""
    declared = {plate.figure for plate in own_plates().values()}
    functions = {name: getattr(figures, name) for name in public_names(figures.__name__)}
    return [
        name
        for name, function in functions.items()
        if inspect.isfunction(function) and function not in declared and get_type_hints(function)["return"] is Figure
    ]


def _elsewhere(name: str) -> tuple[str, str]:
    function = getattr(figures, name)
    return f"[`{name}`][{figures.__name__}.{name}]", first_line(inspect.getdoc(function))


def _grok(run: ShownRun) -> str:
    """How long a run was trained, and when it grokked."""
    grok = "it does not grok" if run.grok_step is None else f"it groks at step {run.grok_step:,}"
    return f"{grok}, of {run.steps:,} steps"


def figure_page(plate: DeclaredPlate, record: Record) -> Page:
    """The page of one figure: its pictures, what it draws, and its function."""
    path = f"figures/{plate.name}.md"
    shown, files = pictures(plate.name, record, path)
    tables = " or ".join(f"[`{name}`](../analyses/{name}.md)" for name in plate.tables)
    parts = [
        f"# {title_of(plate.name)}",
        shown,
        "## How it is drawn",
        f"From the table {tables}. A report has it as `figures/{plate.name}.png`, with the table beside it.",
        f"::: {plate.figure.__module__}.{plate.figure.__name__}\n    options:\n      heading_level: 3",
    ]
    return Page(path, title_of(plate.name), "\n\n".join(parts) + "\n", files)
