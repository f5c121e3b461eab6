"""How values come into a page: escaped, and formulas of two letters on one line."""

from __future__ import annotations

import pytest
from markupsafe import Markup

from grokscope.report.html import environment

SPACE = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize("sign", ["·", "*", "+", "−", "-", "/"])
def test_a_formula_of_two_letters_has_no_space_where_a_line_may_break(sign):
    template = environment().from_string("{{ one }} and {{ two }}")
    shown = template.render(one=f"on x {sign} y, x {sign} y and S5", two=f"as {sign} so, 1 {sign} 2, ax {sign} y")
    formula = f"x{SPACE}{sign}{SPACE}y"
    assert shown == f"on {formula}, {formula} and S5 and as {sign} so, 1 {sign} 2, ax {sign} y"


def test_values_are_escaped_and_markup_and_numbers_are_left_as_they_are():
    template = environment().from_string("{{ text }} {{ markup }} {{ number }}")
    shown = template.render(text="<b> a + b", markup=Markup("<i>a + b</i>"), number=3)
    assert shown == f"&lt;b&gt; a{SPACE}+{SPACE}b <i>a + b</i> 3"
