"""The runs that a command reads: opened, without the checkpoints that are damaged, which are named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from grokscope.cli.output import one_line, say_error

if TYPE_CHECKING:
    from grokscope.runs import Run
    from grokscope.runs.reader import BasisChoice


def opened(path: Path, basis: BasisChoice | None = None, *, strict: bool = False) -> Run:
    """A run without its damaged checkpoints, each of which is named on standard error; with `strict` it is refused.

    Raises `RunError` for a run that cannot be opened, and with `strict` for the first damaged checkpoint.
    """
    from grokscope.runs import open_run

    run = open_run(path).in_basis(basis).sound(strict=strict)
    for line in run.damaged.values():
        say_error(f"left out: {one_line(line)}")
    return run
