"""The sections of a report, one module each: its title, the runs that it is about, and its text tables.

The plates of a section are declared where their figures are. A section of your own is appended to `SECTIONS`.
"""

from grokscope.report.plate import DeclaredSection
from grokscope.report.sections import circuit, cosets, dynamics, learning, norms, signal

SECTIONS: list[DeclaredSection] = [
    signal.SECTION,
    learning.SECTION,
    norms.SECTION,
    dynamics.SECTION,
    circuit.SECTION,
    cosets.SECTION,
]
"""In the order of the page."""

__all__ = ["SECTIONS"]
