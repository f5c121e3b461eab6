"""Tables and figures in, one self-contained page out.

page      the page and its files
sections  what is on it: one function per question, in a list
findings  what the runs show, in sentences
tables    its tables: summary, settings
scrubber  drag through training: an interactive fragment for a page, or a page of its own
"""

from grokscope.report.findings import findings
from grokscope.report.page import build_report
from grokscope.report.scrubber import scrubber, scrubber_page, scrubber_script_sources
from grokscope.report.sections import SECTIONS, Plate, Section
from grokscope.report.tables import Table, preset_of

__all__ = [
    "SECTIONS",
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
