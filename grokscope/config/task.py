"""Which labelled dataset a run learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from grokscope.config.checks import ConfigError, check_indices, check_names, check_rows, choice, integer, number, refuse
from grokscope.config.expression import parse
from grokscope.config.labels import labels_of
from grokscope.config.stored import Stored, checked_stored
from grokscope.groups.names import MAX_ORDER, MAX_TABLE, NAMES, Rows, factors, order_of, wrong_element, wrong_table_row
from grokscope.groups.primes import is_prime, nearest_primes

Operation = Literal["add", "sub", "mul", "div", "square_sub"]
TaskName = Literal[
    "add", "sub", "mul", "div", "square_sub", "mixed", "permutation", "group", "parity", "expression", "table", "given"
]
Product = Literal["ab", "ba"]
Form = Literal["x_op_y_eq", "x_y_eq", "x_y"]


@dataclass(frozen=True)
class TaskConfig:
    """Which labelled dataset, in which form, and how it is split."""

    name: TaskName = "mul"
    """add, sub, mul, div, square_sub (a*a - b), all modulo n; mixed (several of them); permutation (S_n); group (any);
    parity; expression (a formula in x and y modulo n); table (any labels of pairs); given (a Task made in Python)."""
    modulus: int = 97
    """The n of the modular tasks, up to 10000, whose 10^8 pairs few machines hold; mul and div need a prime."""
    expression: str | None = None
    """The formula of the expression task: integers, x, y, + - * / ^, parentheses, and such as x/y if y odd else x-y."""
    labels: Stored | None = None
    """The labels of the table task, a row per left operand: 0..n-1 or names; empty or - where a pair is left out."""
    given: Stored | None = None
    """The examples of the given task, as `gs.train(config, task=Task(...))` stores them."""
    operations: tuple[Operation, ...] = ("add", "sub", "mul", "div")
    """The operations in a mixed task, each with its own token."""
    degree: int = 5
    """n of the permutation task: composition in S_n, n = 3..6."""
    group: str | None = None
    """The group of the group task by name: Zn, Dn (the 2n symmetries of the n-gon), Sn, An, or products: Z3xS3."""
    elements: Rows | None = None
    """The same by its elements: permutations of 0..m-1, closed under composition, in the order of their tokens."""
    table: Rows | None = None
    """The same by its Cayley table, on the tokens: the label of (a, b) is table[a][b]."""
    names: tuple[str, ...] | None = None
    """What the elements of task.elements or task.table are called; a file's own names are read with it."""
    product: Product = "ba"
    """Label of (a, b) for permutations. ba: b after a, the one that maps i to b[a[i]]. ab: a after b, a[b[i]]."""
    bits: int = 10
    """Length of a parity example, in bits."""
    parity_bits: int = 3
    """How many of the bits the parity depends on."""
    form: Form = "x_op_y_eq"
    """Token sequence of two-operand tasks: [x, op, y, =], [x, y, =], or [x, y]. The answer is read at the last token;
    x_y leaves out the `=` of parity too."""
    train_fraction: float = 0.5
    """Share of all examples that is trained on, drawn by the seed."""
    label_noise: float = 0.0
    """Share of the training labels that is redrawn by the seed, evenly over all answers; 1: there is no rule."""
    train_indices: tuple[int, ...] | None = None
    """Numbers of the examples that are trained on, in place of a draw; none at all: the split is not known."""

    def __post_init__(self) -> None:
        choice("task.name", self.name, TaskName)
        integer("task.modulus", self.modulus, 2, MAX_TABLE)
        if not isinstance(self.operations, tuple) or not self.operations:
            refuse("task.operations", self.operations, f"use one or more of {', '.join(get_args(Operation))}")
        for operation in self.operations:
            choice("task.operations", operation, Operation)
        if len(set(self.operations)) < len(self.operations):
            refuse("task.operations", self.operations, "name each operation once")
        self._check_modulus()
        self._check_formula()
        integer("task.degree", self.degree, 3, 6)
        self._check_group()
        integer("task.bits", self.bits, 1, 20)
        integer("task.parity_bits", self.parity_bits, 1)
        if self.name == "parity" and self.parity_bits > self.bits:
            refuse("task.parity_bits", self.parity_bits, f"use at most task.bits = {self.bits}")
        choice("task.form", self.form, Form)
        if self.name == "mixed" and self.form != "x_op_y_eq" and len(self.operations) > 1:
            refuse("task.form", self.form, "a mixed task tells its operations apart by their token; use x_op_y_eq")
        number("task.train_fraction", self.train_fraction, 0.0, 1.0, open_low=True, open_high=True)
        number("task.label_noise", self.label_noise, 0.0, 1.0, open_low=False, open_high=False)
        if self.train_indices is not None:
            check_indices(self.train_indices)

    def _check_modulus(self) -> None:
        """Addition, subtraction and squares live on Z_n for any n; products of units need all but 0 to be one."""
        used = self.operations if self.name == "mixed" else (self.name,)
        in_need = [name for name in used if name in ("mul", "div")]
        if in_need and not is_prime(self.modulus):
            near = ", ".join(map(str, nearest_primes(self.modulus)))
            with_it = f" with {in_need[0]}" if self.name == "mixed" else ""
            raise ConfigError(
                f"task.modulus = {self.modulus} is not prime; {self.name}{with_it} needs a prime, for only then every "
                f"number but 0 has an inverse (nearest: {near}); add, sub and task.name = expression take any modulus"
            )
        if self.name == "expression":
            integer("task.modulus", self.modulus, 2, MAX_ORDER)

    def _check_formula(self) -> None:
        """The formula, the labels and the examples of the tasks that have them, in the form that is kept."""
        if isinstance(self.labels, list | tuple) or hasattr(self.labels, "tolist"):
            object.__setattr__(self, "labels", labels_of(_plain_rows(self.labels)))
        for name in ("labels", "given"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, checked_stored(f"task.{name}", getattr(self, name)))
        if self.expression is not None:
            if not isinstance(self.expression, str):
                refuse("task.expression", self.expression, "use a text such as 'x^2 + x*y + y^2'")
            object.__setattr__(self, "expression", parse(self.expression).text)
        belongs_to = {"expression": "expression", "labels": "table", "given": "given"}
        for setting, name in belongs_to.items():
            has = getattr(self, setting) is not None
            if has and self.name != name:
                raise ConfigError(f"task.{setting} is given, but task.name = {self.name!r}: use task.name = {name}")
            if not has and self.name == name:
                needed = {
                    "expression": "a formula: --expression 'x^2 + x*y + y^2'",
                    "labels": "labels: --labels FILE, or rows of integers",
                    "given": "a Task: gs.train(config, task=Task(...))",
                }[setting]
                raise ConfigError(f"task.name = {name!r} needs {needed}")

    def _check_group(self) -> None:
        """Which group, and whether one is given where there is none to give."""
        ways = {"group": self.group, "elements": self.elements, "table": self.table}
        given = {name: value for name, value in ways.items() if value is not None}
        if self.group is not None:
            parts = factors(self.group) if isinstance(self.group, str) else None
            if parts is None:
                others = "give any other group by task.elements or task.table"
                refuse("task.group", self.group, f"use {NAMES}; {others}")
            elif not 2 <= order_of(parts) <= MAX_ORDER:
                refuse("task.group", self.group, f"use an order from 2 to {MAX_ORDER}; this one has {order_of(parts)}")
        check_rows("task.elements", self.elements, wrong_element)
        check_rows("task.table", self.table, wrong_table_row)
        if self.names is not None:
            rows = self.elements or self.table
            check_names("task.names", self.names)
            if rows is None or len(self.names) != len(rows):
                count = "task.elements or task.table" if rows is None else f"{len(rows)} elements, a name for each"
                refuse("task.names", self.names, f"use it with {count}")
        choice("task.product", self.product, Product)
        if self.name != "group" and given:
            raise ConfigError(
                f"task.{next(iter(given))} is given, but task.name = {self.name!r}: use task.name = group"
            )
        if self.name == "group" and len(given) != 1:
            raise ConfigError(
                f"task.name = 'group' needs its group given in one way, and has {' and '.join(given) or 'none'}: "
                "use one of task.group (a name), task.elements (permutations), task.table (a Cayley table)"
            )
        if self.product == "ab" and not self.is_permutations:
            raise ConfigError(
                "task.product = 'ab' is not accepted here: use it with permutations (task.elements, task.group = Sn "
                "or An, task.name = permutation); in any other group the label of (a, b) is the product a b"
            )

    @property
    def is_permutations(self) -> bool:
        """Whether operands are permutations, whose product can be read in two orders."""
        parts = () if self.group is None else factors(self.group) or ()
        return (
            self.name == "permutation" or self.elements is not None or (len(parts) == 1 and parts[0][0] in ("S", "A"))
        )


def _plain_rows(rows: Any) -> list[list[Any]]:
    """Rows of numbers, names and holes as lists, of nested tuples or an array; a NaN is a hole."""
    nested = rows.tolist() if hasattr(rows, "tolist") else rows
    if not isinstance(nested, list | tuple) or not all(isinstance(row, list | tuple) for row in nested):
        refuse("task.labels", rows, "use a row of labels per left operand")
    return [[_plain_label(cell) for cell in row] for row in nested]


def _plain_label(cell: Any) -> Any:
    """A whole float as an integer, a NaN as None, and anything else as it is."""
    if isinstance(cell, float):
        return None if cell != cell else int(cell) if cell.is_integer() else cell
    return cell
