"""Docstrings as Markdown.

Docstrings of this package are plain text: what is set apart is indented by four spaces, lists of names and what they
are about stand in columns, and `<-` and `<NA>` are meant as they stand. Indented text is code in Markdown too; columns
become a block of code, and what Markdown would read as markup is escaped.
"""

from __future__ import annotations

import html
import re

from docs_site.pages import fenced, table

COLUMNS = re.compile(r"^\S.*?\S {2,}\S", re.MULTILINE)
ENTRY = re.compile(r"^(?P<names>[\w.]+(?:, [\w.]+)*) {2,}(?P<about>[^#\s].*)$")
SECTION = re.compile(r"^(Args|Arguments|Returns|Raises|Yields|Attributes|Examples?):$")
"""The first line of a block that mkdocstrings reads by itself."""


def as_markdown(docstring: str) -> str:
    """The Markdown of a docstring whose indentation has been taken off (`inspect.cleandoc`)."""
    blocks = re.split(r"\n[ \t]*\n", docstring.strip("\n"))
    return "\n\n".join(map(_block, blocks))


def _block(block: str) -> str:
    lines = block.splitlines()
    if all(line.startswith("    ") for line in lines):
        return block
    if COLUMNS.search(block) and not SECTION.match(lines[0]):
        return _listed(lines) or fenced(block)
    return "\n".join(escaped(line) for line in lines)


def _listed(lines: list[str]) -> str:
    """A list of names and what each is about, as a table; empty where the lines are something else."""
    rows: list[list[str]] = []
    for line in lines:
        entry = ENTRY.match(line)
        if entry is not None:
            rows.append([entry["names"], entry["about"]])
        elif line.startswith("    ") and rows:
            rows[-1][1] += f" {line.strip()}"
        else:
            return ""
    named = [(", ".join(f"`{name}`" for name in names.split(", ")), escaped(about)) for names, about in rows]
    return table(("name", "what it is"), named)


def escaped(line: str) -> str:
    """A line of prose in which `<`, `&` and `*` stand for themselves, but for what is code."""
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(part if part.startswith("`") else _plain(part) for part in parts)


def _plain(text: str) -> str:
    return re.sub(r"([*\[\]])", r"\\\1", html.escape(text, quote=False).replace("&gt;", ">"))


def first_line(docstring: str | None) -> str:
    """The first line of a docstring, as Markdown."""
    return escaped((docstring or "").strip().partition("\n")[0])
