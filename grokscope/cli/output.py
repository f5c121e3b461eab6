"""What the commands print: lines, tables, and errors of one line."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console(*, stderr: bool = False) -> Console:
    """A rich console: colours and boxes only on a terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def one_line(text: str) -> str:
    """`text` on one line, each break with the white space around it made one space; see `visible`.

    Spaces within a line stay as they are: they may be those of a path.
    """
    return visible(re.sub(r"\s*[^\S ]\s*", " ", text.strip()))


def visible(text: str) -> str:
    """`text` with what a terminal would act on, and what nobody would see, written as in a Python string."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(line: str = "") -> None:
    """Print one line on stdout as it is, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def say_error(message: str) -> None:
    """Print `grokscope: error: ...` on stderr, on one line whatever the message contains."""
    from rich.text import Text

    text = Text.assemble("grokscope: ", ("error", "bold red"), f": {one_line(message)}")
    console(stderr=True).print(text, soft_wrap=True)


def say_note(message: str) -> None:
    """Print `grokscope: note: ...` on stderr, on one line: what was recognised in a file, or left out."""
    sys.stderr.write(f"grokscope: note: {one_line(message)}\n")
    sys.stderr.flush()


def say_next(command: str) -> None:
    """Print `next: COMMAND` on stderr: what stdout has is for other programs to read."""
    sys.stderr.write(f"next: {visible(command)}\n")
    sys.stderr.flush()


class _Collected(logging.Handler):
    """Warnings, each once, in their order."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: dict[str, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.setdefault(record.getMessage())


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """At the end of the block, say what the package has warned of in its log."""
    log, collected = logging.getLogger("grokscope"), _Collected()
    log.addHandler(collected)
    try:
        yield
    finally:
        log.removeHandler(collected)
        for message in collected.messages:
            say_note(message)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, numbers: Sequence[str] = ()) -> None:
    """A table: drawn, and folded to the width, on a terminal; tab-separated with nothing cut elsewhere.

    `numbers` names the columns to align on the right. None is shown as `-`.
    """
    out = console()
    if not out.is_terminal:
        for row in [columns, *rows]:
            say("\t".join("-" if value is None else one_line(str(value)) for value in row))
        return
    from rich.table import Table
    from rich.text import Text

    def cell(value: object) -> Text:
        return Text("-" if value is None else f"{value:,}" if type(value) is int else one_line(str(value)))

    table = Table(box=None, pad_edge=False, header_style="bold")
    longest_name = max((len(cell(row[0])) for row in rows), default=0)
    for place, column in enumerate(columns):
        table.add_column(
            column,
            justify="right" if column in numbers else "left",
            # Folded, not cut: a path that has lost its end cannot be copied. Names stay whole if they can.
            overflow="fold",
            no_wrap=place == 0 and longest_name <= out.width // 2,
        )
    for row in rows:
        table.add_row(*map(cell, row))
    out.print(table)
