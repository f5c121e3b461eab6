"""A report: one self-contained HTML page about some runs, with its figures and their tables beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grokscope.analysis import check_names
from grokscope.disk.errors import disk_errors
from grokscope.disk.files import write_atomic
from grokscope.figures import files
from grokscope.report.findings import findings as find
from grokscope.report.html import environment, pictures
from grokscope.report.sections import SECTIONS, Section
from grokscope.report.tables import differing_settings, full_settings, summary

if TYPE_CHECKING:
    from grokscope.runs import Run

REPORTS = Path("reports")
FIGURES = "figures"


def build_report(
    name: str,
    runs: Sequence[Run],
    out: Path | None = None,
    *,
    title: str | None = None,
    findings: Sequence[str] | None = None,
) -> Path:
    """Write a report on some runs, and return the path of its page.

    Args:
        name: of the report; its folder is `reports/NAME` unless `out` says otherwise.
        runs: in the order in which they are to be shown.
        out: the report's folder, if it is to be another.
        title: of the page; left out: the tasks of the runs and the report's name.
        findings: sentences to open with; left out: `grokscope.report.findings(runs)`.

    Writes `index.html`, and `figures/` with each figure as PNG, PDF and CSV. Everything is computed and drawn
    before anything is written, and the page is written last: after an error or a crash it is the old one.
    Raises ValueError for a name that is not one plain folder name, for no runs, and for two runs of one name;
    `RunError` where the folder cannot be written to.
    """
    check_report_name(name)
    folder = REPORTS / name if out is None else Path(out)
    check_names(runs)
    sections = [section for build in SECTIONS if (section := build(runs)) is not None]
    drawn = {plate.name: files.render(plate.figure, plate.table) for section in sections for plate in section.plates}
    page = render(
        runs,
        sections,
        {plate: contents["png"] for plate, contents in drawn.items()},
        title or f"{', '.join(dict.fromkeys(run.task.name for run in runs))}: {name}",
        find(runs) if findings is None else findings,
    )
    with disk_errors(f"write report {folder}"):
        (folder / FIGURES).mkdir(parents=True, exist_ok=True)
        for plate, contents in drawn.items():
            files.write(contents, folder / FIGURES, plate)
        write_atomic(folder / "index.html", page.encode())
    return folder / "index.html"


def check_report_name(name: str) -> str:
    """The name, if it can be that of a report's folder. Raises ValueError if not."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]*", name) or len(name) > 100:
        raise ValueError(
            f"report name {name!r} is not accepted: use up to 100 letters, digits, '.', '_', '+' and '-', "
            "beginning with a letter, a digit or '_'"
        )
    return name


def render(
    runs: Sequence[Run],
    sections: Sequence[Section],
    images: dict[str, bytes],
    title: str,
    findings: Sequence[str],
) -> str:
    """The page as text: nothing in it points outside it, but for links to the files in `figures/`."""
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            title=title,
            findings=findings,
            summary=summary(runs),
            sections=sections,
            pictures=pictures(images),
            folder=FIGURES,
            formats=files.FORMATS,
            differing=differing_settings(runs),
            settings={run.name: full_settings(run) for run in runs},
        )
    )
