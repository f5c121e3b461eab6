"""A report on some runs: what they show in sentences, a summary, the sections, and every setting."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grokscope.analysis import check_names
from grokscope.report.draw import draw_sections
from grokscope.report.findings import findings as findings_of
from grokscope.report.findings import left_out
from grokscope.report.page import check_page_folder, write_page
from grokscope.report.sections import SECTIONS
from grokscope.report.tables import differing_settings, full_settings, summary

if TYPE_CHECKING:
    from grokscope.runs import Run

REPORTS = Path("reports")


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

    The page shows every plate that is declared (see `grokscope.figures.plates`) and that the runs have something for.
    Written are `index.html`, and into `figures/` each figure as PNG, PDF and CSV. Everything is computed and drawn
    before anything is written, and the page is written last: after an error or a crash it is the old one. Checkpoints
    that are damaged are left out, and counted on the page.
    Raises ValueError for a name that is not one plain folder name, for no runs, for two runs of one name, and for a
    plate of a section that does not exist; `DiskError`, before anything is computed, where the folder cannot be
    written to.
    """
    check_report_name(name)
    check_names(runs)
    folder = REPORTS / name if out is None else Path(out)
    check_page_folder(folder)
    runs = [run.sound() for run in runs]
    sections = draw_sections(runs, SECTIONS)
    values = {
        "title": title or f"{', '.join(dict.fromkeys(run.task.name for run in runs))}: {name}",
        "findings": [*(findings_of(runs) if findings is None else findings), *left_out(runs)],
        "summary": summary(runs),
        "sections": sections,
        "differing": differing_settings(runs),
        "settings": {run.name: full_settings(run) for run in runs},
    }
    plates = [plate for section in sections for plate in section.plates]
    return write_page(folder, "report.html.j2", plates, values)


def check_report_name(name: str) -> str:
    """The name, if it can be that of a report's folder. Raises ValueError if not."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]*", name) or len(name) > 100:
        raise ValueError(
            f"report name {name!r} is not accepted: use up to 100 letters, digits, '.', '_', '+' and '-', "
            "beginning with a letter, a digit or '_'"
        )
    return name
