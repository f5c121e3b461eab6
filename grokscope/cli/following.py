"""Where to begin, and which command comes after which: one table, filled in with what a command has found."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from os import PathLike
from pathlib import Path
from string import Formatter

from grokscope.cli.output import say_next
from grokscope.config import loaded_plugins

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
            return with_plugins(template.format_map(facts))
    return None


def with_plugins(command: str) -> str:
    """A command as it is to be typed where the settings that it reads need the plugins of this one.

    A plugin that a TOML file named, and that lies beside it, is found where Python looks: so the folder is named too.
    """
    plugins = loaded_plugins()
    folders = dict.fromkeys(folder for name, places in plugins.items() if (folder := _beside(name, places)) is not None)
    python_path = os.pathsep.join([*folders, *filter(None, [os.environ.get("PYTHONPATH")])])
    before = f"PYTHONPATH={shlex.quote(python_path)} " if folders else ""
    return before + " ".join([command, *(f"--plugin {name}" for name in plugins)])


def _beside(name: str, places: Sequence[str]) -> str | None:
    """The folder that a plugin was found in, where a command that is started here would not look for it."""
    top = sys.modules.get(name.partition(".")[0])
    file = None if top is None else getattr(top, "__file__", None)
    if file is None:
        return None
    folder = Path(file).parents[1 if Path(file).stem == "__init__" else 0]
    return str(folder) if str(folder) in places and folder != Path.cwd() else None


def resume_command(path: str | PathLike[str]) -> str:
    """The command that goes on with a run, as it would be typed."""
    return with_plugins(f"grokscope resume {shlex.quote(str(path))}")


def fields(template: str) -> set[str]:
    """The names that a line of `NEXT` has a place for."""
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def first_page() -> str:
    """What to do first, as lines."""
    width = max(len(command) for command, _ in FIRST)
    lines = [f"  {command:<{width}}   {about}" for command, about in FIRST]
    return "\n".join(["Nothing is asked for. To begin:", "", *lines])
