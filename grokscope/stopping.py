"""Stopping on a signal, at a moment that the work has chosen.

A handler that raises may do so in the midst of anything. Here it notes the signal, and long work asks at its
boundaries, after a step or a checkpoint, whether it is to stop:

    with at_boundaries():
        while working:
            ...
            if asked():
                save()
            check()  # raises Stopped

A second signal does not wait. SIGINT is Ctrl-C, SIGTERM what `kill` and clusters send, SIGHUP the end of a terminal. A
signal that the process was started to ignore, as SIGHUP is under nohup, stays ignored.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(KeyboardInterrupt):
    """A signal has ended the work.

    Arguments:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    @property
    def code(self) -> int:
        """The exit code of a process that this ends: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + self.number

    @property
    def signal_name(self) -> str:
        """The name of the signal."""
        return signal.Signals(self.number).name


class Signals:
    """Counts signals instead of raising; only the main thread of a process has any to count.

    Arguments:
        patience: how many are counted; the next one raises `Stopped` at once. None: all are.
    """

    def __init__(self, patience: int | None = None) -> None:
        self.count = 0
        self._patience = patience
        self._last = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            handled = [which for which in SIGNALS if signal.getsignal(which) is not signal.SIG_IGN]
            self._before = {which: signal.signal(which, self._note) for which in handled}
        _counting.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _counting.remove(self)
        for which, handler in self._before.items():
            signal.signal(which, handler)

    def check(self) -> None:
        """Raise `Stopped` if there was a signal."""
        if self.count:
            raise Stopped(self._last)

    def _note(self, number: int, _: object) -> None:
        self.count, self._last = self.count + 1, number
        if self._patience is not None and self.count > self._patience:
            raise Stopped(number)


_counting: list[Signals] = []


@contextmanager
def raising() -> Iterator[None]:
    """Within the block every signal raises `Stopped` at once, but where work within it waits for a boundary.

    An exception is lost in a destructor, and in a callback from C: then `check` raises it, or the end of the block.
    """
    with Signals(patience=0) as signals:
        yield
        signals.check()


@contextmanager
def at_boundaries() -> Iterator[None]:
    """Within the block a first signal waits for `check`, or for the end of the block; a second one raises at once."""
    with Signals(patience=1) as signals:
        yield
        signals.check()


def asked() -> bool:
    """Whether a signal waits for a boundary."""
    return any(signals.count for signals in _counting)


def check() -> None:
    """Raise `Stopped` if a signal waits for a boundary; any thread may ask."""
    for signals in list(_counting):
        signals.check()
