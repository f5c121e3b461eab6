"""Formulas of two operands: what is read, what it is worth, and where an error points."""

from __future__ import annotations

import pytest

from grokscope.config import ConfigError, TaskConfig, override, preset, to_dict
from grokscope.config.expression import DEEPEST, LARGEST_INTEGER, LONGEST, parse


def inverse(d: int, n: int) -> int | None:
    """The inverse by search, None if there is none."""
    return next((z for z in range(n) if d * z % n == 1 % n), None)


def divided(a: int, b: int, n: int) -> int | None:
    found = inverse(b % n, n)
    return None if found is None else a * found % n


# Each formula, and the same written in Python by hand.
FORMULAS = {
    "x^2 + x*y + y^2": lambda x, y, n: (x * x + x * y + y * y) % n,
    "x - y - 1": lambda x, y, n: (x - y - 1) % n,
    "x - (y - 1)": lambda x, y, n: (x - y + 1) % n,
    "-x^2": lambda x, y, n: -(x * x) % n,
    "(-x)^3": lambda x, y, n: (-x) ** 3 % n,
    "2*x - -y*3": lambda x, y, n: (2 * x + 3 * y) % n,
    "x / y": divided,
    "x / y / 2": lambda x, y, n: None if divided(x, y, n) is None else divided(divided(x, y, n), 2, n),
    "x * y^-1": divided,
    "y^(-2)": lambda x, y, n: divided(1, y * y, n),
    "x^0": lambda x, y, n: 1 % n,
    "x^1000": lambda x, y, n: x**1000 % n,
    "x/y if y odd else x-y": lambda x, y, n: divided(x, y, n) if y % 2 else (x - y) % n,
    "x + 1 if x + y even else 0 if x < y else y": lambda x, y, n: (
        (x + 1) % n if (x + y) % n % 2 == 0 else 0 if x < y else y
    ),
    "1 if x - y >= 3 else 2": lambda x, y, n: (1 if (x - y) % n >= 3 % n else 2) % n,
    "x * (y if x == y else 1) + (1 if x != 2 else 0)": lambda x, y, n: (x * (y if x == y else 1) + (x != 2 % n)) % n,
    "x if x <= y else y": min,
    "x if x > y else y": max,
}


@pytest.mark.parametrize("n", [2, 7, 12])
@pytest.mark.parametrize("text", FORMULAS)
def test_every_pair_has_the_value_that_plain_arithmetic_gives(text, n):
    values, defined = parse(text).table(n)
    by_hand = FORMULAS[text]
    for x in range(n):
        for y in range(n):
            expected = by_hand(x, y) if by_hand in (min, max) else by_hand(x, y, n)
            assert defined[x, y] == (expected is not None)
            assert not defined[x, y] or values[x, y] == expected


@pytest.mark.parametrize("text", FORMULAS)
def test_what_is_written_again_means_the_same(text):
    once = parse(text)
    assert parse(once.text) == once
    assert TaskConfig(name="expression", expression=text.replace(" ", "  ")).expression == once.text


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ("", 1, "empty"),
        ("x +", 4, "a value is missing"),
        ("x + * y", 5, "'*' is no value"),
        ("2x", 2, "'x' is not expected"),
        ("(x + y", 7, "`)` is missing"),
        ("x + y)", 6, "')' is not expected"),
        ("x^y", 3, "not a whole number"),
        ("x^2^3", 4, "parentheses"),
        ("x if y else 1", 8, "a condition is missing"),
        ("x if y odd", 11, "`else` is missing"),
        ("x % y", 3, "'%' is not known"),
        ("x ** y", 4, "'*' is no value"),
        ("x + z", 5, "'z' is not known"),
        ("abs(x)", 1, "'abs' is not known"),
        ("__import__('os').system('true')", 1, "'__import__' is not known"),
        ("lambda: 0", 1, "'lambda' is not known"),
        ("x + 1.5", 6, "'.' is not known"),
        (f"x^{LARGEST_INTEGER + 1}", 3, "too large"),
        ("x + " + "9" * 100, 5, "too large"),
        ("(" * (DEEPEST + 1) + "x", DEEPEST + 2, "deep"),
        ("-" * (DEEPEST + 1) + "x", DEEPEST + 2, "deep"),
        ("1 if x odd else " * 9 + "z", 145, "'z' is not known"),
    ],
)
def test_an_error_points_at_the_place(text, place, why):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert f"character {place}" in str(caught.value)
    assert why in str(caught.value)


def test_a_long_expression_is_refused_before_it_is_read():
    with pytest.raises(ConfigError, match=f"use at most {LONGEST}"):
        parse("x+" * LONGEST)
    parse("+".join(["x"] * (LONGEST // 2)))


def test_a_config_of_an_expression_survives_a_dictionary_and_needs_its_formula():
    config = override(preset("mul-lion-clip"), {"task.name": "expression", "task.expression": "x^2+y", "modulus": 12})
    assert override(preset("mul-lion-clip"), to_dict(config)) == config
    with pytest.raises(ConfigError, match=r"task\.name = 'expression' needs a formula"):
        TaskConfig(name="expression")
    with pytest.raises(ConfigError, match=r"task\.expression is given, but task\.name = 'mul'"):
        TaskConfig(expression="x + y")
    with pytest.raises(ConfigError, match=r"task\.modulus = 721 .*from 2 to 720"):
        TaskConfig(name="expression", expression="x + y", modulus=721)
