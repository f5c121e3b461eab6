"""Calls while a run is trained, for whoever wants to look on: `gs.train(config, callbacks=[...])`.

Callbacks come after everything of their step is on its way to the disk. They see the weights themselves, not copies:
what they write into them is trained on, and a callback that only reads changes nothing, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grokscope.config import ConfigError, RunConfig
from grokscope.runs import RunError

if TYPE_CHECKING:
    from torch import Tensor


class CallbackError(RunError):
    """An exception of a callback, which names it and the step; the run is left to be resumed."""


class Callback:
    """What a callback may have, each of which does nothing here. Any object with one or more of these is a callback."""

    def on_start(self, config: RunConfig, path: Path, step: int) -> None:
        """Training begins, or goes on, after so many steps; `path` is the run directory."""

    def on_step(self, step: int, loss: float, weights: Mapping[str, Tensor]) -> None:
        """A step was taken: the first is 1. The loss, in nats, is that of its batch, before the update."""

    def on_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """The network was evaluated: `train_loss`, `train_accuracy`, `val_loss`, `val_accuracy`."""

    def on_checkpoint(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Weights were saved, and are on their way to the disk."""

    def on_end(self, status: str) -> None:
        """Training has ended: finished, diverged, interrupted or failed."""


_METHODS = tuple(name for name in vars(Callback) if name.startswith("on_"))


class Callbacks:
    """Several callbacks, each called in turn.

    Arguments:
        callbacks: objects with methods of `Callback`. Raises `ConfigError` for one without any.
    """

    def __init__(self, callbacks: Iterable[Any] = ()) -> None:
        self._callbacks = tuple(callbacks)
        for one in self._callbacks:
            if isinstance(one, type) or not any(callable(getattr(one, name, None)) for name in _METHODS):
                raise ConfigError(
                    f"callbacks: {one!r} is not accepted: use an object with one or more of {', '.join(_METHODS)}"
                )

    def call(self, method: str, step: int, *arguments: Any) -> None:
        """Call a method of all that have it. Raises `CallbackError` for the first that fails."""
        for one in self._callbacks:
            function = getattr(one, method, None)
            if function is None:
                continue
            try:
                function(*arguments)
            except Exception as error:
                name = f"{type(one).__qualname__}.{method}"
                raise CallbackError(f"callback {name} at step {step}: {type(error).__name__}: {error}") from error

    @contextmanager
    def around(self, config: RunConfig, path: Path, step: int) -> Iterator[list[str]]:
        """Say that training begins, and how it ended: the block puts that into the list."""
        ended: list[str] = []
        self.call("on_start", step, config, path, step)
        try:
            yield ended
        except BaseException as error:
            # The error that ends training is the one to see.
            with suppress(CallbackError):
                self.call("on_end", step, "failed" if isinstance(error, Exception) else "interrupted")
            raise
        self.call("on_end", step, ended[-1])
