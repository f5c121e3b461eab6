"""How values come into a page: escaped, and short formulas on one line."""

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


@pytest.mark.parametrize("said", ["n = 5", "d < 2", "p ≤ 0.05", "n = 5 to 39", "t = −3"])
def test_what_a_letter_stands_for_is_on_its_line(said):
    shown = environment().from_string("{{ text }}").render(text=f"seen ({said}), max n = all, in = 5")
    letter, sign, *number = said.replace("<", "&lt;").split(" ")
    assert shown == f"seen ({SPACE.join((letter, sign, number[0]))}{' '.join(('', *number[1:]))}), max n = all, in = 5"


def test_values_are_escaped_and_markup_and_numbers_are_left_as_they_are():
    template = environment().from_string("{{ text }} {{ markup }} {{ number }}")
    shown = template.render(text="<b> a + b", markup=Markup("<i>a + b</i>"), number=3)
    assert shown == f"&lt;b&gt; a{SPACE}+{SPACE}b <i>a + b</i> 3"
