"""train, resume and branch."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from grokscope.cli.following import found, resume_command
from grokscope.cli.output import say, say_error, say_note
from grokscope.cli.settings import PLUGINS, SHORT_NAMES, changes, grouped, read_integer, show_settings
from grokscope.config import ConfigError, RunConfig, config_from_file, override, preset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grokscope.runs import Run

DIVERGED = 3
"""The exit code where the run that was to be trained has diverged."""
_USAGE = "grokscope train PRESET|FILE.toml [--setting value ...] [--out DIR]"
_BRANCH_USAGE = "grokscope branch RUN --step K [--setting value ...] [--out DIR]"


def train(words: list[str]) -> int:
    """Train a preset or a TOML file, any setting changed: train PRESET|FILE.toml [--setting value ...] [--out DIR]."""
    if "-h" in words or "--help" in words:
        return _train_help(words)
    if not words or words[0].startswith("-"):
        raise ConfigError(f"name a preset first: {_USAGE} (`grokscope presets` lists them)")
    name, *rest = words
    base = _named_config(name)  # an unknown preset is told before anything else
    groups = grouped(rest)
    out, log = groups.pop("out", None), groups.pop("log", None)
    if out is not None and (len(out) != 1 or not out[0]):
        raise ConfigError("--out takes one directory")
    config = override(base, changes(groups))

    from grokscope.runs import run_name
    from grokscope.runs.layout import check_new_path
    from grokscope.tasks import build_task
    from grokscope.training import check_room
    from grokscope.training import train as train_run
    from grokscope.training.existing import held_run

    path = check_new_path(out[0] if out else Path("checkpoints", run_name(config)))
    check_room(config, path, f"training {path.name}")  # before the task is built, for what is to be said of it
    for note in build_task(config.task).notes:
        say_note(note)
    callbacks = _loggers(log)
    held = held_run(path, config)
    if held is not None:
        return _tell_held(held)
    with _resumable(path):
        run = train_run(config, out=path, callbacks=callbacks)
    return _tell(run)


def _named_config(name: str) -> RunConfig:
    """The config of a preset, or of a TOML file."""
    return config_from_file(name) if name.endswith(".toml") or Path(name).is_file() else preset(name)


def _loggers(words: list[str] | None) -> list[Any]:
    """The callbacks that --log asks for."""
    if words is None:
        return []
    from grokscope.training.loggers import LOGGERS, loggers

    names = tuple(name for word in words for name in word.split(",") if name)
    if not names:
        raise ConfigError(f"--log takes {' or '.join(LOGGERS)}")
    return list(loggers(names))


def resume(run: Positional[Path], log: tuple[str, ...] = (), strict: bool = False) -> int:
    """Continue an interrupted run; the result is bit-identical to an uninterrupted one.

    Args:
        run: The run directory.
        log: Where curves go too: tensorboard, wandb (offline by default), or both.
        strict: Refuse a machine, versions or threads that may round otherwise than those before; else it is a warning.
    """
    from grokscope.training import resume as resume_run

    callbacks = _loggers(list(log) if log else None)
    with _resumable(run):
        finished = resume_run(run, callbacks=callbacks, strict=strict)
    return _tell(finished)


def branch(words: list[str]) -> int:
    """Go on from a checkpoint under other settings, on the same batches: branch RUN --step K [--setting value ...]."""
    if "-h" in words or "--help" in words:
        return _branch_help()
    if not words or words[0].startswith("-"):
        raise ConfigError(f"name a run first: {_BRANCH_USAGE}")
    path, *rest = words
    groups = grouped(rest)
    out, at, log = groups.pop("out", None), groups.pop("step", None), groups.pop("log", None)
    if out is not None and (len(out) != 1 or not out[0]):
        raise ConfigError("--out takes one directory")
    if at is None or len(at) != 1:
        raise ConfigError(f"--step takes the step of a checkpoint: {_BRANCH_USAGE}")
    step = read_integer("--step", at[0], 0)

    from grokscope.training import branch as branch_run

    run = branch_run(path, step, Path(out[0]) if out else None, callbacks=_loggers(log), **changes(groups))
    parent = run.parent or {}
    found(parent=path)
    if parent.get("moments") == "fresh":
        say(
            f"fine-tuned from the stored weights of {parent['run']} at step {parent['step']}: "
            "the optimizer began afresh"
        )
        say(f"split: {parent['split']}")
    return _tell(run)


@contextmanager
def _resumable(path: Path) -> Iterator[None]:
    """Says how to go on where the user interrupts a run that has begun."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if path.is_dir():
            interrupt.args = (f"continue with: {resume_command(path)}",)
        raise


def _tell(run: Run) -> int:
    """Print what has become of a run; returns the exit code."""
    say(repr(run))
    say(str(run.path))
    found(run=run.path)
    if run.status == "diverged":
        say_error(f"{run.path} has diverged: {run.reason}")
        return DIVERGED
    return 0


def _tell_held(run: Run) -> int:
    """Say that a run of the settings that were asked for is there, and has ended. Raises `RunError` if it has not."""
    from grokscope.runs import ENDED, RunError

    if run.status in ENDED:
        say(f"{run.path} was trained with these settings: nothing is left to do")
        return _tell(run)
    if run.status == "running":
        raise RunError(f"{run.path} is being trained with these settings by another process: wait for it")
    raise RunError(f"{run.path} has these settings and is {run.status}: continue it with: {resume_command(run.path)}")


def _train_help(words: list[str]) -> int:
    """Print all settings, with the preset's values as defaults where one is named."""
    named = bool(words) and not words[0].startswith("-")
    config = _named_config(words[0]) if named else RunConfig()

    @dataclass
    class Settings:
        out: Path | None = None
        """The run directory; left out: checkpoints/ and a name made from the settings. A run that is there already is
        left as it is: if it has these settings and has ended, there is nothing to do."""
        log: tuple[str, ...] = ()
        """Where curves go too: tensorboard, wandb (offline by default), or both."""
        config_: Annotated[RunConfig, arg(name="")] = field(default_factory=lambda: config)

    if named:
        defaults = f"Defaults are those of {words[0]}."
    else:
        defaults = "A preset's own values: grokscope train PRESET --help. All presets: grokscope presets."
    show_settings(
        Settings,
        prog=f"grokscope train {words[0] if named else 'PRESET|FILE.toml'}",
        description="Train a preset, or the config in a TOML file (see grokscope.config.from_file), with any setting "
        f"changed. {SHORT_NAMES} {PLUGINS} {defaults}",
        config=config,
    )
    return 0


def _branch_help() -> int:
    """Print what a branch takes."""

    @dataclass
    class Settings:
        run: Positional[Path]
        """The run to branch off."""
        step: int
        """The step of one of its checkpoints."""
        out: Path | None = None
        """The branch's directory; left out: beside the run, with a name made from the settings."""
        log: tuple[str, ...] = ()
        """Where curves go too: tensorboard, wandb (offline by default), or both."""
        config_: Annotated[RunConfig, arg(name="")] = field(default_factory=RunConfig)

    show_settings(
        Settings,
        prog="grokscope branch",
        description="Train on from a checkpoint of a run with some settings changed: the clip switched on or off, "
        "another bound, another learning rate. Batches, moments and all other settings are the run's own. The run is "
        "trained once more up to the step, and compared with the checkpoint. A network that was imported is "
        "fine-tuned: from the stored weights with a fresh optimizer, any setting but the model's changed, on "
        "another task with the same vocabulary too. "
        f"{SHORT_NAMES} Defaults shown are not the run's.",
        config=RunConfig(),
    )
    return 0
