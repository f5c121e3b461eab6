"""The process that trains runs of a sweep, one after the other: `python -m grokscope.sweeps.worker CHANNEL`.

Other work on runs has a program of its own that calls `serve`. The parent writes a line of JSON to its standard input
for each run, {"path": directory, "log": file, "plugins": what to import first, ...} with what `Work.order` adds
({"config": config} for training), the next when the last is done (to start Python and torch takes longer than a short
run), and keeps that pipe open for as long as it lives: when it ends, so does this process. To the file descriptor
CHANNEL go lines of JSON, about two per second while it trains:

    {"step": 1200, "accuracy": 0.31, "rate": 95.2}   how far it is: the heartbeat
    {"locked": true}                                 another process trains this run
    {"result": ...}                                  what came of work that is not to be seen in the run's directory
    {"free": true}                                   it is done with the run, and takes another
    {"error": "..."}                                 what went wrong; what nobody foresaw has its traceback in the log.
                                                     The process ends, so that no other run comes into what is left of
                                                     it

A signal ends it after the step that it is at: the run is left to be resumed.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from grokscope.config import ConfigError, RunConfig, from_dict, load_again
from grokscope.disk import DiskError
from grokscope.runs import RunError, RunLocked, open_run
from grokscope.runs.layout import is_run
from grokscope.stopping import Stopped, raising
from grokscope.sweeps.directory import check_config
from grokscope.training import resume, train

FORESEEN = (ConfigError, DiskError, OSError)
"""Errors whose message says all: settings that cannot be run, a full disk, a directory that cannot be used."""

HEARTBEAT_SECONDS = 0.5
"""Time between two messages of progress."""

_PR_SET_PDEATHSIG = 1


class Channel:
    """Where messages go. What cannot be sent any more is lost: the parent has gone, and this process follows it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, **message: Any) -> None:
        """One line of JSON."""
        with suppress(OSError):
            os.write(self._descriptor, (json.dumps(message) + "\n").encode())


class Heartbeat:
    """Tells the parent how far its work is (a `grokscope.training.progress.Progress`)."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._accuracy: float | None = None
        self._last: tuple[float, int] | None = None
        self._step = 0

    def step(self, step: int) -> None:
        """`step` steps are done."""
        self._step = step
        now = time.monotonic()
        if self._last is None:
            self._channel.send(step=step, accuracy=self._accuracy, rate=None)
            self._last = now, step
            return
        then, before = self._last
        if now - then >= HEARTBEAT_SECONDS:
            self._channel.send(step=step, accuracy=self._accuracy, rate=(step - before) / (now - then))
            self._last = now, step

    def evaluation(self, metrics: dict[str, float]) -> None:
        """The latest evaluation."""
        self._accuracy = metrics["val_accuracy"]

    def end(self) -> None:
        """Tell the last of it, if this process has taken a step."""
        if self._last is not None:
            self._channel.send(step=self._step, accuracy=self._accuracy, rate=None)


def trained(path: Path, config: RunConfig, heartbeat: Heartbeat) -> None:
    """Bring the run of `config` at `path` to its end from wherever it is.

    Raises `RunLocked` if another process trains it, and `RunError` if the directory cannot be used.
    """
    if not is_run(path):
        try:
            train(config, path, progress=heartbeat)
            return
        except RunLocked:
            raise
        except RunError:
            if not is_run(path):
                raise
            # Another process has made it since we looked: it may be done, or there to be resumed.
    check_config(path, open_run(path).config, config)
    resume(path, progress=heartbeat)


def orders_of_parent() -> SimpleQueue[dict[str, Any]]:
    """What comes on standard input. This process ends with that pipe, or, on Linux, when the parent dies."""
    orders: SimpleQueue[dict[str, Any]] = SimpleQueue()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def listen() -> None:
        # Not sys.stdin, whose lock would be held as the interpreter ends.
        data = b""
        while part := os.read(0, 65536):
            *lines, data = (data + part).split(b"\n")
            for line in lines:
                orders.put(json.loads(line))
        os._exit(1)  # what is on disk is whole at any moment; a later sweep goes on from there

    threading.Thread(target=listen, name="grokscope-parent", daemon=True).start()
    return orders


def write_to(log: str) -> None:
    """Let standard output and error go to a file, after what is in it."""
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def train_run(order: dict[str, Any], channel: Channel) -> None:
    """Train the run of an order, as far as no other process does."""
    heartbeat = Heartbeat(channel)
    try:
        trained(Path(order["path"]), from_dict(order["config"]), heartbeat)
        heartbeat.end()
    except RunLocked:
        channel.send(locked=True)


def serve(descriptor: int, work: Callable[[dict[str, Any], Channel], None]) -> int:
    """Do what comes on standard input, until something goes wrong; the exit code says what.

    Arguments:
        descriptor: of the channel.
        work: does what an order says, and tells how far it is.
    """
    channel = Channel(descriptor)
    try:
        with raising():
            orders = orders_of_parent()
            while True:
                order = orders.get()
                write_to(order["log"])
                load_again(order["plugins"])
                work(order, channel)
                channel.send(free=True)
    except Stopped as stopped:
        return stopped.code
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        channel.send(error=message)  # before it goes to the log, which a full disk may not take
        with suppress(OSError):
            if isinstance(error, FORESEEN) and not os.environ.get("GROKSCOPE_DEBUG"):
                sys.stderr.write(f"{message}\n")
            else:
                traceback.print_exc()
        return 1


if __name__ == "__main__":
    sys.exit(serve(int(sys.argv[1]), train_run))
