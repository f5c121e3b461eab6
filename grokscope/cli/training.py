"""train and resume."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from grokscope.cli.output import say
from grokscope.cli.settings import changes, grouped
from grokscope.config import ConfigError, RunConfig, preset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grokscope.runs import Run

_USAGE = "grokscope train PRESET [--setting value ...] [--out DIR]"


def train(words: list[str]) -> int:
    """Train a preset, with any setting changed: train PRESET [--setting value ...] [--out DIR]."""
    if "-h" in words or "--help" in words:
        return _train_help(words)
    if not words or words[0].startswith("-"):
        raise ConfigError(f"name a preset first: {_USAGE} (`grokscope presets` lists them)")
    name, *rest = words
    preset(name)  # an unknown preset is told before anything else
    groups = grouped(rest)
    out = groups.pop("out", None)
    if out is not None and (len(out) != 1 or not out[0]):
        raise ConfigError("--out takes one directory")
    config = preset(name, **changes(groups))

    from grokscope.runs import run_name
    from grokscope.training import train as train_run

    path = Path(out[0]) if out else Path("checkpoints", run_name(config))
    with _resumable(path):
        run = train_run(config, out=path)
    _tell(run)
    return 0


def resume(run: Positional[Path]) -> int:
    """Continue an interrupted run; the result is bit-identical to an uninterrupted one.

    Args:
        run: The run directory.
    """
    from grokscope.training import resume as resume_run

    with _resumable(run):
        finished = resume_run(run)
    _tell(finished)
    return 0


@contextmanager
def _resumable(path: Path) -> Iterator[None]:
    """Says how to go on where the user interrupts a run that has begun."""
    try:
        yield
    except KeyboardInterrupt:
        if path.is_dir():
            raise KeyboardInterrupt(f"continue with: grokscope resume {path}") from None
        raise


def _tell(run: Run) -> None:
    say(repr(run))
    say(str(run.path))


def _train_help(words: list[str]) -> int:
    """Print all settings, with the preset's values as defaults where one is named."""
    import tyro

    named = bool(words) and not words[0].startswith("-")
    config = preset(words[0]) if named else RunConfig()

    @dataclass
    class Settings:
        out: Path | None = None
        """The run directory; left out: checkpoints/ and a name made from the settings."""
        config_: Annotated[RunConfig, arg(name="")] = field(default_factory=lambda: config)

    if named:
        defaults = f"Defaults are those of {words[0]}."
    else:
        defaults = "A preset's own values: grokscope train PRESET --help. All presets: grokscope presets."
    tyro.cli(
        Settings,
        prog=f"grokscope train {words[0] if named else 'PRESET'}",
        description="Train a preset, with any setting changed. Every setting also goes by the last part of "
        f"its name where that is unique: --lr 1e-4, --seed 3, --max-norm none. {defaults}",
        args=["--help"],
        config=(tyro.conf.FlagConversionOff,),
    )
    return 0
