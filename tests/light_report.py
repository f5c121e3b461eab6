"""Reports that are written in no time: drawing every figure takes half a minute, and `tests/report` looks at those."""

from __future__ import annotations

import pytest


@pytest.fixture
def light_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports of one section with one empty plate, for tests of anything but figures."""
    # Imported here, for this module is loaded with every process of pytest, whatever it tests.
    from matplotlib.figure import Figure

    from grokscope.figures import plates
    from grokscope.report import DeclaredSection, build

    monkeypatch.setattr(build, "SECTIONS", [DeclaredSection("plain", "Frequencies & more")])
    plates.plates()  # those of the package, so that they are not declared later
    monkeypatch.setattr(plates, "_declared", {})

    @plates.plate(section="plain", table="learning_curves", runs="all", caption="A caption.")
    def plain(table):
        return Figure()
