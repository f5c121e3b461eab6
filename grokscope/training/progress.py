"""A progress bar that suits a notebook, a terminal, and a log file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from grokscope.counted import counted


class Progress(Protocol):
    """What the loop tells while it trains."""

    def step(self, step: int) -> None:
        """`step` updates are done."""

    def evaluation(self, metrics: dict[str, float]) -> None:
        """The latest evaluation."""


class _Silent:
    def step(self, step: int) -> None:
        pass

    def evaluation(self, metrics: dict[str, float]) -> None:
        pass


class _Bar:
    def __init__(self, bar) -> None:  # type: ignore[no-untyped-def]
        self._bar = bar

    def step(self, step: int) -> None:
        self._bar.update(step - self._bar.n)

    def evaluation(self, metrics: dict[str, float]) -> None:
        self._bar.set_postfix_str(
            f"accuracy train {metrics['train_accuracy']:.3f} val {metrics['val_accuracy']:.3f}", refresh=False
        )


@contextmanager
def progress_bar(
    shown: bool | Progress, title: str, steps: int, done: int = 0, note: str | None = None
) -> Iterator[Progress]:
    """Progress over `steps` updates of which `done` are done. Without a terminal it updates twice a minute.

    Arguments:
        shown: a bar, nothing, or whoever else is to be told.
        note: a sentence above the bar.
    """
    if not isinstance(shown, bool):
        yield shown
        return
    if not shown:
        yield _Silent()
        return
    interval = 0.1 if sys.stderr.isatty() or "ipykernel" in sys.modules else 30.0
    with counted(title, steps, "step", done=done, mininterval=interval) as bar:
        if note is not None:
            bar.write(f"{title}: {note}", file=sys.stderr)
        yield _Bar(bar)
