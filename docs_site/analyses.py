"""A page per analysis: what it computes, what it applies to, the columns of its table, its figures."""

from __future__ import annotations

import inspect
import sys
from itertools import groupby

from docs_site.declared import condition, own_analyses, own_plates
from docs_site.docstrings import as_markdown, first_line
from docs_site.pages import Group, Page, code, table
from docs_site.record import Record, Table
from docs_site.shown import pictures, title_of
from grokscope.analysis.tables.declared import Analysis

FAMILY_TITLES = {
    "fourier": "Irreps and frequencies",
    "subgroups": "Cosets and subgroups",
    "dynamics": "Dynamics",
    "timing": "Timing",
}


def analysis_pages(record: Record) -> Group:
    """An index, and the pages of all analyses by family."""
    every = own_analyses()
    by_family = [(family, list(of_family)) for family, of_family in groupby(every.values(), lambda each: each.family)]
    parts = [
        "# Analyses",
        "An analysis is a function from a run, or several, to a table. `gs.run_all(run)` or `grokscope analyze RUN` "
        "makes the tables of all that the run has, and keeps them in the run's folder. One alone is "
        "`gs.analysis.NAME(run)`, or `grokscope analyze RUN --only NAME`.",
    ]
    for family, of_family in by_family:
        rows = [
            (f"[`{each.name}`]({each.name}.md)", _figures_in_row(each), first_line(each.summary)) for each in of_family
        ]
        parts += [
            f"## {family_title(family)}",
            _how_together(family),
            table(("table", "figures", "what it says"), rows),
        ]
    index = Page("analyses/index.md", "All analyses", "\n\n".join(parts) + "\n")
    groups = [
        Group(family_title(family), tuple(analysis_page(each, record) for each in of)) for family, of in by_family
    ]
    return Group("Analyses", (index, *groups))


def family_title(family: str) -> str:
    """What a family is called in the navigation."""
    return FAMILY_TITLES.get(family, family.capitalize())


def _how_together(family: str) -> str:
    return f"`grokscope analyze RUN --only {family}` makes those of the family `{family}`."


def analysis_page(analysis: Analysis, record: Record) -> Page:
    """The page of one analysis. Raises ValueError for one that the record does not know in its version."""
    known = record.tables.get(analysis.name)
    if known is None or known.version != analysis.version:
        raise ValueError(
            f"the gallery has no table of analysis {analysis.name!r} in version {analysis.version}: run make gallery"
        )
    path = f"analyses/{analysis.name}.md"
    parts = [
        f"# {analysis.name} {{ #grokscope.analysis.{analysis.name} }}",
        f'<div class="facts" markdown>\n\n{table(("what", "which"), _facts(analysis))}\n\n</div>',
        f"```python\n{usage(analysis)}\n```",
        f"::: {analysis.home}\n    options:\n      show_root_heading: false\n      show_root_toc_entry: false\n"
        "      show_signature: false\n      docstring_section_style: list",
        "## Columns",
        _columns(known),
    ]
    figures, files = [], {}
    for plate in own_plates().values():
        if analysis.name in plate.tables:
            shown, of_plate = pictures(plate.name, record, path, first_only=True)
            figures += [f"### [{title_of(plate.name)}](../figures/{plate.name}.md)", shown]
            files |= of_plate
    if figures:
        parts += ["## Figures", *figures]
    background = as_markdown(inspect.getdoc(sys.modules[analysis.source.__module__]) or "")
    parts += ["## Background", f"From `{analysis.source.__module__}`.", background]
    return Page(path, analysis.name, "\n\n".join(parts) + "\n", files)


def _columns(known: Table) -> str:
    """The columns of a table, with their types and a value of each, where there are rows."""
    if not known.rows:
        names = ", ".join(code(one.name) for one in known.columns)
        return f"{names}. The run of the gallery that has this table has no row in it, and so no types to show."
    rows = [(code(one.name), code(one.dtype), code(one.example) if one.example else "") for one in known.columns]
    return (
        f"As they are in the table of `{known.run}`, which has {known.rows:,} rows; the last value of each.\n\n"
        + table(("column", "type", "example"), rows)
    )


def usage(analysis: Analysis) -> str:
    """How it is called from Python, with the arguments that it has beside the run, and from the shell."""
    first, *others = inspect.signature(analysis.source).parameters.values()
    arguments = [str(one.replace(annotation=inspect.Parameter.empty)) for one in others]
    call = ", ".join(["runs" if first.name == "runs" else "run", *arguments])
    return f"gs.analysis.{analysis.name}({call})  # grokscope analyze RUN --only {analysis.name}"


def _facts(analysis: Analysis) -> list[tuple[str, str]]:
    """What its declaration says."""
    needs = ", ".join(f"[`{name}`]({name}.md)" for name in analysis.needs)
    facts = [
        ("family", f"`{analysis.family}`"),
        ("version", str(analysis.version)),
        ("applies to", first_line(condition(analysis))),
        ("reads", ", ".join(analysis.reads)),
        ("made of", needs),
        ("made", "when it is asked for by name only" if analysis.on_request else "with all others of its family"),
        ("kept", "in the run's folder" if analysis.tables is not None else "no: it is made anew each time"),
    ]
    return [fact for fact in facts if fact[1]]


def _figures_in_row(analysis: Analysis) -> str:
    names = [name for name, plate in own_plates().items() if analysis.name in plate.tables]
    return ", ".join(f"[{title_of(name)}](../figures/{name}.md)" for name in names)
