"""A page of the site, and tables in Markdown."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The repository."""
DOCS = ROOT / "docs"


@dataclass(frozen=True)
class Page:
    """A page in Markdown, with its place in the navigation."""

    path: str
    """Of the source below the folder of sources: `analyses/circles.md`."""
    title: str
    """In the navigation."""
    text: str
    files: dict[str, Path | bytes] = field(default_factory=dict)
    """What the page shows or links to, by path on the site: a file to be copied, or its content."""


@dataclass(frozen=True)
class Group:
    """Pages under one heading of the navigation, and groups of them."""

    title: str
    members: tuple[Page | Group, ...]

    def pages(self) -> list[Page]:
        """All pages, in their order."""
        return [page for one in self.members for page in (one.pages() if isinstance(one, Group) else [one])]


def relative(target: str, page: str) -> str:
    """The link from one page to another, or to a file, both by their path on the site."""
    return posixpath.relpath(target, posixpath.dirname(page) or ".")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown. A cell is Markdown of one line; a bar in it is written as one."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', BAR).replace(chr(10), ' ') for cell in line)} |" for line in lines
    )


BAR = "&#124;"
"""A bar that does not end a cell."""
BREAK = r"\g<0><wbr>"
"""A bar or a comma after which a line of code may end."""


def code(text: str) -> str:
    """Text as code within a line or a cell of a table."""
    return f"<code>{re.sub('[|,]', BREAK, html.escape(text, quote=False))}</code>".replace("|", BAR)


def fenced(text: str, language: str = "text") -> str:
    """Text as a block of code, whatever is in it."""
    fence = "`" * max(3, 1 + max((len(run) for run in _runs_of_backticks(text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _runs_of_backticks(text: str) -> list[str]:
    return [run for run in text.replace("\n", " ").split(" ") if set(run) == {"`"}]
