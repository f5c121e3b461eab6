"""Tables and figures in, one self-contained page out.

`build_report` writes a report on some runs, `findings` says in sentences what they show, and `scrubber` lets a reader
drag through their training. A section is a module of `sections`; the plates in it are declared beside their figures
(see `grokscope.figures.plates`). Every page, that of an experiment too, is written by `page`.
"""

from grokscope.report.build import build_report
from grokscope.report.findings import findings
from grokscope.report.plate import DeclaredSection, DeclaredTable, Plate, Section, Table
from grokscope.report.scrubber import scrubber, scrubber_page, scrubber_script_sources
from grokscope.report.sections import SECTIONS
from grokscope.report.tables import preset_of

__all__ = [
    "SECTIONS",
    "DeclaredSection",
    "DeclaredTable",
    "Plate",
    "Section",
    "Table",
    "build_report",
    "findings",
    "preset_of",
    "scrubber",
    "scrubber_page",
    "scrubber_script_sources",
]
