"""What becomes of a run that is there already where one is to be trained."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from grokscope.config import ConfigError, RunConfig, differences_in_words
from grokscope.runs import Run, RunError, open_run
from grokscope.runs.layout import check_new_path, is_run

Existing = Literal["refuse", "open"]
"""refuse: it is an error. open: a run of the same settings is opened, and resumed if it has not ended."""


def check_existing(existing: str) -> None:
    """Raise `ConfigError` for a word that there is not."""
    if existing not in get_args(Existing):
        raise ConfigError(f"existing = {existing!r} is not accepted: use {' or '.join(get_args(Existing))}")


def held_run(path: Path, config: RunConfig) -> Run | None:
    """The run at a path, if it is the one that training this config would make; None where there is no run.

    Raises `RunError` for a run of other settings, naming each with both values; for a branch and an imported network,
    which did not begin as training does; and for a run that cannot be read.
    """
    if not is_run(check_new_path(path)):
        return None
    run = open_run(path)
    origin = "is an imported network" if run.imported is not None else "is a branch" if run.parent is not None else ""
    if origin:
        raise RunError(f"{path} {origin}, and not a run that was trained from its start: choose another directory")
    changed = differences_in_words(run.config, config)
    if changed:
        raise RunError(f"{path} holds a run of other settings ({changed}): move it away, or choose another directory")
    return run
