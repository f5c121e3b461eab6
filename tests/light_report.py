"""Reports that are written in no time: drawing every figure takes half a minute, and `tests/report` looks at those."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from grokscope.figures import plates as plates_module
from grokscope.figures.plates import plate, plates
from grokscope.report import DeclaredSection
from grokscope.report import build as build_module


@pytest.fixture
def light_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports of one section with one empty plate, for tests of anything but figures."""
    monkeypatch.setattr(build_module, "SECTIONS", [DeclaredSection("plain", "Frequencies & more")])
    plates()  # those of the package, so that they are not declared later
    monkeypatch.setattr(plates_module, "_declared", {})

    @plate(section="plain", table="learning_curves", runs="all", caption="A caption.")
    def plain(table):
        return Figure()
