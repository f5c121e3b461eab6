"""The command-line reference: what the help page of every command says, as Markdown.

The help pages are the parser's own. They are printed at one width, read, and set again: a heading for a box, a row for
an option.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from functools import cache

from docs_site.pages import Page, code, table

WIDTH = 120
"""Columns that help pages are laid out for: one box stands beside another from about 130 on."""
BOX = re.compile(r"^╭─ (?P<title>.+?) ─*╮$")
DEFAULT = re.compile(r"\s*\((?P<what>default|required)(?:: (?P<value>.*?))?\)$", re.DOTALL)


@dataclass(frozen=True)
class Option:
    """An option, or what is given by its place."""

    name: str
    """As it is typed, with what it takes: `--only [STR [STR ...]]`."""
    text: str
    default: str
    """Empty where there is none."""


@dataclass(frozen=True)
class Box:
    """A group of options."""

    title: str
    text: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class HelpPage:
    """A help page as it was read."""

    usage: str
    text: str
    boxes: tuple[Box, ...]
    rest: str
    """What stands below the boxes."""


def help_page(command: str) -> HelpPage:
    """The help page of a command of `grokscope`."""
    return read_help(printed_help(command, "--help"))


@cache
def printed_help(*words: str) -> str:
    """What `grokscope WORDS` prints, at a fixed width and without colours."""
    from grokscope.cli import main

    # Boxes are drawn for an output that has their characters, and as dashes for others.
    content = io.BytesIO()
    out = io.TextIOWrapper(content, encoding="utf-8", write_through=True)
    with _width(WIDTH), redirect_stdout(out), suppress(SystemExit):
        main(words)
    return content.getvalue().decode("utf-8")


@contextmanager
def _width(columns: int) -> Iterator[None]:
    names = {"COLUMNS": str(columns), "NO_COLOR": "1"}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def read_help(text: str) -> HelpPage:
    """A printed help page, read. Raises ValueError for a page that has no boxes."""
    above: list[str] = []
    below: list[str] = []
    boxes: list[Box] = []
    title, inside = "", None
    for line in text.splitlines():
        start = BOX.match(line.strip())
        if start is not None:
            title, inside = start["title"], []
        elif line.startswith("╰"):
            assert inside is not None, line
            boxes.append(_box(title, inside))
            inside = None
        elif inside is not None:
            inside.append(line.strip().strip("│").rstrip())
        else:
            (below if boxes else above).append(line.rstrip())
    if not boxes:
        raise ValueError(f"this is no help page, for it has no boxes: {text[:200]!r}")
    usage, _, description = "\n".join(above).strip().partition("\n\n")
    usage = " ".join(usage.removeprefix("usage:").split())
    return HelpPage(usage, description.strip(), tuple(boxes), "\n".join(below).strip())


def _box(title: str, lines: Sequence[str]) -> Box:
    """A box. Its text, if it has one, ends at a rule; a line that is not indented begins an option, or goes on."""
    rule = next((number for number, line in enumerate(lines) if re.fullmatch(r" ─+", line)), None)
    text = "" if rule is None else " ".join(line.strip() for line in lines[:rule])
    options: list[tuple[str, list[str]]] = []
    for line in lines[0 if rule is None else rule + 1 :]:
        head = line[1:2] not in ("", " ")
        if not head:
            if options:
                options[-1][1].append(line.strip())
            continue
        name, *said = re.split(r" {2,}", line.strip(), maxsplit=1)
        if options and not options[-1][1] and not name.startswith("-"):
            # The name was too long for a line.
            options[-1] = (f"{options[-1][0]} {name}", said)
        else:
            options.append((name, said))
    return Box(title, text, tuple(_option(name, " ".join(filter(None, said))) for name, said in options))


def _option(name: str, text: str) -> Option:
    default = DEFAULT.search(text)
    if default is None:
        return Option(name, text, "")
    value = "required" if default["what"] == "required" else default["value"] or ""
    return Option(name, text[: default.start()].strip(), value)


def command_pages() -> list[Page]:
    """A page for all commands, and one for each."""
    from grokscope.cli.app import COMMANDS

    pages = {name: help_page(name) for name in COMMANDS}
    rows = [(f"[`grokscope {name}`]({name}.md)", prose(_summary(COMMANDS[name].__doc__))) for name in COMMANDS]
    index = (
        "# Commands\n\n"
        f"{prose(_help_of_all())}\n\n{table(('command', 'what it does'), rows)}\n\n"
        "What stands on these pages is what `grokscope COMMAND --help` prints.\n"
    )
    return [
        Page("commands/index.md", "All commands", index),
        *(Page(f"commands/{name}.md", name, command_text(name, page)) for name, page in pages.items()),
    ]


def _summary(docstring: str | None) -> str:
    return (docstring or "").strip().partition("\n")[0]


def _help_of_all() -> str:
    """What the help page of the program says of all commands, but for their names."""
    return read_help(printed_help("--help")).text


def command_text(name: str, page: HelpPage) -> str:
    """The page of one command, in Markdown. The settings of a run, where it takes them, are on a page of their own."""
    parts = [f"# grokscope {name}", f"```text\n{page.usage}\n```", _paragraphs(page.text)]
    settings = [box for box in page.boxes if is_of_settings(box)]
    if settings:
        parts.append("It takes every [setting](../settings.md) too.")
    for box in page.boxes:
        if box in settings:
            continue
        own = tuple(one for one in box.options if "--help" not in one.name and not is_setting(one, bool(settings)))
        if own:
            parts += [f"## {box.title}", options_table(own)]
    return "\n\n".join(parts) + "\n"


def is_of_settings(box: Box) -> bool:
    """Whether a box holds settings of a section, as `optimizer options` does."""
    return any(re.match(r"--[a-z]+\.", option.name) for option in box.options)


def is_setting(option: Option, with_settings: bool) -> bool:
    """Whether an option is a setting that belongs to no section."""
    from grokscope.config import field_names

    name = option.name.split()[0].removeprefix("--").replace("-", "_")
    return with_settings and name in field_names()


def options_table(options: Sequence[Option]) -> str:
    """Options as a table."""
    rows = [(code(one.name), code(one.default) if one.default else "", prose(one.text)) for one in options]
    return table(("option", "left out", "what it says"), rows)


def _paragraphs(text: str) -> str:
    """Wrapped lines of a help page as paragraphs."""
    return "\n\n".join(prose(" ".join(part.split())) for part in re.split(r"\n\s*\n", text) if part.strip())


def prose(text: str) -> str:
    """Text of a help page, in which only backticks mean what they mean in Markdown."""
    from docs_site.docstrings import escaped

    return escaped(text).replace("_", r"\_") if "`" not in text else escaped(text)
