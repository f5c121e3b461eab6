"""Arithmetic of two operands modulo n, written as text: read by a parser of its own, and never as Python.

    value      = sum [ "if" condition "else" value ]
    condition  = sum ( "odd" | "even" ) | sum ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) sum
    sum        = product { ( "+" | "-" ) product }
    product    = signed { ( "*" | "/" ) signed }
    signed     = "-" signed | power
    power      = atom [ "^" exponent ]        exponent = [ "-" ] integer, in parentheses or not
    atom       = integer | "x" | "y" | "(" value ")"

Everything is computed modulo n, on the numbers 0 .. n-1, integers and conditions too: `y odd` asks for the number y,
and `x - y < 3` compares remainders. Division by d and negative powers of d need an inverse of d modulo n; where there
is none, and the condition picks that branch, the pair has no value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grokscope.config.checks import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Bool, Int

LONGEST = 200
"""Characters. A name of a run and a title of a figure show an expression whole."""
DEEPEST = 20
"""Levels of parentheses, signs and branches: far below where Python's own calls would end."""
LARGEST_INTEGER = 10**6
"""In an expression. Powers of x repeat after fewer than n steps, and numbers after n."""

_TOKEN = re.compile(r"\s*(?:(?P<integer>\d+)|(?P<word>[A-Za-z_]\w*)|(?P<sign>==|!=|<=|>=|[-+*/^()<>])|(?P<other>\S))")
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_WORDS = ("x", "y", "if", "else", "odd", "even")
_ACCEPTED = "integers, x, y, + - * / ^, parentheses, and `A if y odd else B`"

Node = tuple
"""A parsed part: its kind, and what it is made of."""


@dataclass(frozen=True)
class _Word:
    kind: str
    text: str
    at: int


@dataclass(frozen=True)
class Expression:
    """A parsed expression."""

    tree: Node
    text: str
    """As it is written here: one space around signs of two operands."""

    def table(self, n: int) -> tuple[Int[np.ndarray, "n n"], Bool[np.ndarray, "n n"]]:
        """The value at every pair (x, y) of 0 .. n-1 modulo n, and whether it has one; 0 where it has none."""
        import numpy as np

        numbers = np.arange(n)
        values, defined = _evaluated(self.tree, numbers[:, None], numbers[None, :], n, inverses(n))
        values, defined = np.broadcast_to(values, (n, n)), np.broadcast_to(defined, (n, n))
        return np.where(defined, values, 0), defined.copy()


def parse(text: str) -> Expression:
    """Read an expression. Raises `ConfigError` naming the place, what stands there, and what is accepted."""
    if len(text) > LONGEST:
        raise ConfigError(f"task.expression has {len(text)} characters: use at most {LONGEST}")
    return _Parser(text).whole()


def inverses(n: int) -> Int[np.ndarray, " n"]:
    """The inverse modulo n of every number 0 .. n-1; 0 for those that have none (n > 1)."""
    import numpy as np

    found = np.zeros(n, dtype=np.int64)
    for d in range(1, n):
        try:
            found[d] = pow(d, -1, n)
        except ValueError:  # d shares a factor with n
            continue
    return found


class _Parser:
    """A recursive-descent parser over the words of a text; each method reads what the grammar calls so."""

    def __init__(self, text: str) -> None:
        self.text, self.words, self.place, self.depth = text, list(_words(text)), 0, 0

    def whole(self) -> Expression:
        if self.word.kind == "end":
            raise self.error("the expression is empty")
        tree = self.value()
        if self.word.kind != "end":
            raise self.error(f"{self.word.text!r} is not expected here")
        return Expression(tree, _written(self.words))

    @property
    def word(self) -> _Word:
        return self.words[self.place]

    def take(self, *texts: str) -> str | None:
        """The text of the next word if it is one of these, which is then read."""
        if self.word.kind in ("sign", "word") and self.word.text in texts:
            self.place += 1
            return self.words[self.place - 1].text
        return None

    def value(self) -> Node:
        first = self.sum()
        if not self.take("if"):
            return first
        condition = self.condition()
        if not self.take("else"):
            raise self.error("`else` is missing")
        return ("if", condition, first, self.nested(self.value))

    def condition(self) -> Node:
        first = self.sum()
        if parity := self.take("odd", "even"):
            return (parity, first)
        if sign := self.take(*_COMPARISONS):
            return (sign, first, self.sum())
        raise self.error(f"a condition is missing: use odd, even or one of {' '.join(_COMPARISONS)}")

    def sum(self) -> Node:
        return self.chain(self.product, "+", "-")

    def product(self) -> Node:
        return self.chain(self.signed, "*", "/")

    def chain(self, part: Callable[[], Node], *signs: str) -> Node:
        tree = part()
        while sign := self.take(*signs):
            tree = (sign, tree, part())
        return tree

    def signed(self) -> Node:
        if self.take("-"):
            return ("-", ("integer", 0), self.nested(self.signed))
        return self.power()

    def power(self) -> Node:
        base = self.atom()
        if not self.take("^"):
            return base
        in_brackets = self.take("(")
        negative = self.take("-") is not None
        if self.word.kind != "integer":
            raise self.error("an exponent is not a whole number: use an integer after ^")
        exponent = self.integer()
        if in_brackets and not self.take(")"):
            raise self.error("`)` is missing: an exponent is one integer")
        if self.word.text == "^":
            raise self.error("a power of a power needs parentheses: (x^2)^3")
        return ("^", base, -exponent if negative else exponent)

    def atom(self) -> Node:
        if self.word.kind == "integer":
            return ("integer", self.integer())
        if variable := self.take("x", "y"):
            return (variable,)
        if self.take("("):
            inside = self.nested(self.value)
            if not self.take(")"):
                raise self.error("`)` is missing")
            return inside
        raise self.error("a value is missing" if self.word.kind == "end" else f"{self.word.text!r} is no value")

    def integer(self) -> int:
        digits = self.word.text
        if len(digits) > 7 or int(digits) > LARGEST_INTEGER:
            raise self.error(f"{digits[:12]} is too large: use integers up to {LARGEST_INTEGER}")
        self.place += 1
        return int(digits)

    def nested(self, part: Callable[[], Node]) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(f"parentheses, signs and branches are more than {DEEPEST} deep")
        tree = part()
        self.depth -= 1
        return tree

    def error(self, why: str) -> ConfigError:
        at = self.word.at
        return ConfigError(
            f"task.expression = {self.text!r}, character {at + 1} (after {self.text[:at].strip()!r}): {why}: use "
            f"{_ACCEPTED}"
        )


def _words(text: str) -> list[_Word]:
    words, at = [], 0
    while match := _TOKEN.match(text, at):
        kind = str(match.lastgroup)
        words.append(_Word(kind, match[kind], match.start(kind)))
        at = match.end()
        if kind == "other" or (kind == "word" and match[kind] not in _WORDS):
            hint = "; write a product with *, as in 2*x" if kind == "word" and len(match[kind]) > 1 else ""
            raise ConfigError(
                f"task.expression = {text!r}, character {words[-1].at + 1}: {match[kind]!r} is not known: use "
                f"{_ACCEPTED}{hint}"
            )
    return [*words, _Word("end", "", len(text))]


def _written(words: list[_Word]) -> str:
    """The words with a space between them, but for those of powers, parentheses and signs of one operand."""
    text, is_sign_of_one = "", False
    before = _Word("sign", "(", 0)
    for word in words:
        begins_value = before.text in ("if", "else") or (before.kind == "sign" and before.text != ")")
        is_tight = is_sign_of_one or word.text in ("^", ")") or before.text in ("^", "(")
        text += word.text if is_tight else f" {word.text}"
        is_sign_of_one = word.text == "-" and begins_value
        before = word
    return text.strip()


def _evaluated(node: Node, x: np.ndarray, y: np.ndarray, n: int, inverse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values of a part at all pairs, and where it has one."""
    import numpy as np

    def at(part: Node) -> tuple[np.ndarray, np.ndarray]:
        return _evaluated(part, x, y, n, inverse)

    kind, everywhere = node[0], np.array(True)
    if kind == "integer":
        return np.array(node[1] % n), everywhere
    if kind in ("x", "y"):
        return (x if kind == "x" else y), everywhere
    if kind == "if":
        (holds, known), (one, has_one), (other, has_other) = at(node[1]), at(node[2]), at(node[3])
        return np.where(holds, one, other), known & np.where(holds, has_one, has_other)
    first, defined = at(node[1])
    if kind in ("odd", "even"):
        return first % 2 == (kind == "odd"), defined
    if kind == "^":
        return _power(first, defined, node[2], n, inverse)
    second, has_second = at(node[2])
    defined = defined & has_second
    if kind in _COMPARISONS:
        compare = {"==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal,
                   ">": np.greater, ">=": np.greater_equal}  # fmt: skip
        return compare[kind](first, second), defined
    if kind == "/":
        return first * inverse[second] % n, defined & (inverse[second] != 0)
    return {"+": np.add, "-": np.subtract, "*": np.multiply}[kind](first, second) % n, defined


def _power(
    base: np.ndarray, defined: np.ndarray, exponent: int, n: int, inverse: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A power by repeated squaring modulo n."""
    import numpy as np

    if exponent < 0:
        base, defined, exponent = inverse[base], defined & (inverse[base] != 0), -exponent
    power, square = np.ones_like(base) % n, base
    while exponent:
        power = power * square % n if exponent & 1 else power
        square, exponent = square * square % n, exponent >> 1
    return power, defined
