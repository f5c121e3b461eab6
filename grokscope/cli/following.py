"""Where to begin, and which command comes after which: one table, filled in with what a command has found."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from os import PathLike
from string import Formatter

from grokscope.cli.output import say_next

FIRST: tuple[tuple[str, str], ...] = (
    ("grokscope doctor", "is this machine fit for it, and how long will the demo take?"),
    ("grokscope demo", "train two networks, one clipped; writes reports/demo/index.html"),
    ("grokscope presets", "the published experiments by name"),
    ("grokscope train mul-lion-clip", "one of them; any setting is a flag (--seed 3)"),
    ("grokscope --help", "all commands; grokscope COMMAND --help: one of them"),
)
"""What `grokscope` alone prints: a command, and what it is for."""

NEXT: dict[str, tuple[str, ...]] = {
    "demo": ("grokscope scrub {runs}",),
    "train": ("grokscope report mine {run}",),
    "resume": ("grokscope report mine {run}",),
    "branch": ("grokscope report mine {parent} {run}",),
    "sweep": ("grokscope sweep {planned}", "grokscope runs {folder}"),
    "experiment": ("grokscope runs {folder}", "grokscope experiment why-clipping --scale small"),
    "import": ("grokscope analyze {run}",),
    "runs": ("grokscope report mine {run}", "grokscope train mul-lion-clip"),
    "verify": ("grokscope repair {damaged}", "grokscope resume {unfinished}", "grokscope analyze {run}"),
    "repair": ("grokscope verify {run}",),
    "analyze": ("grokscope report mine {runs}", "grokscope train mul-lion-clip"),
    "report": ("grokscope scrub {runs}",),
    "scrub": ("grokscope experiment",),
    "presets": ("grokscope train {preset}",),
    "doctor": ("grokscope {fit_for}",),
}
"""After each command: of these the first of which the command has found all that it names."""

_done: ContextVar[str | None] = ContextVar("done", default=None)
_found: ContextVar[dict[str, str]] = ContextVar("found")


@contextmanager
def ending_with_the_next() -> Iterator[None]:
    """After the block, and all that is said in it, the next command is named, if the command has got to its end."""
    begin()
    yield
    command = _done.get()
    following = None if command is None else next_command(command)
    if following is not None:
        say_next(following)


def begin() -> None:
    """Forget what an earlier command of this process has found."""
    _found.set({})
    _done.set(None)


def done(command: str) -> None:
    """Remember that a command has got to its end, whatever it has found there."""
    _done.set(command)


def found(**facts: str | PathLike[str] | Iterable[str | PathLike[str]]) -> None:
    """Remember paths and names that `NEXT` has a place for: one, or several in their order."""
    for name, fact in facts.items():
        words = [fact] if isinstance(fact, str | PathLike) else list(fact)
        if words:
            _found.get({})[name] = shlex.join(map(str, words))


def next_command(command: str) -> str | None:
    """The command that comes after `command`, as it would be typed; None if what it needs has not been found."""
    facts = _found.get({})
    for template in NEXT.get(command, ()):
        if fields(template) <= facts.keys():
            return template.format_map(facts)
    return None


def fields(template: str) -> set[str]:
    """The names that a line of `NEXT` has a place for."""
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def first_page() -> str:
    """What to do first, as lines."""
    width = max(len(command) for command, _ in FIRST)
    lines = [f"  {command:<{width}}   {about}" for command, about in FIRST]
    return "\n".join(["Nothing is asked for. To begin:", "", *lines])
