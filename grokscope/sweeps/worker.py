"""The process that trains one run of a sweep: `python -m grokscope.sweeps.worker CHANNEL`.

The parent writes one line of JSON to its standard input, {"path": directory, "config": config}, and keeps that pipe
open for as long as it lives: when it ends, so does this process. To the file descriptor CHANNEL go lines of JSON,
about two per second while it trains:

    {"step": 1200, "accuracy": 0.31, "rate": 95.2}   how far it is: the heartbeat
    {"locked": true}                                 another process trains this run
    {"error": "..."}                                 what went wrong; the traceback is on standard error

SIGTERM ends it as Ctrl-C would: the run is left to be resumed.
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
from contextlib import suppress
from pathlib import Path
from typing import Any

from grokscope.config import RunConfig, from_dict
from grokscope.runs import RunError, RunLocked, open_run
from grokscope.runs.layout import is_run
from grokscope.sweeps.directory import check_config
from grokscope.training import resume, train

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
    """Tells the parent how far training is (a `grokscope.training.progress.Progress`)."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._accuracy: float | None = None
        self._last: tuple[float, int] | None = None
        self._step = 0

    def step(self, step: int) -> None:
        """`step` updates are done."""
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
        """Tell the last of it, if this process has trained."""
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


def end_with_parent() -> None:
    """End this process when the parent's end of standard input closes, or, on Linux, when the parent dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os._exit(1)  # what is on disk is whole at any moment; a later sweep goes on from there

    threading.Thread(target=watch, name="grokscope-parent", daemon=True).start()


def main(descriptor: int) -> int:
    """Do the job on standard input; the exit code is 0 where the run has ended or is locked."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    channel = Channel(descriptor)
    try:
        # Not sys.stdin: what it has read ahead would be lost to the thread that waits for the end of the pipe.
        line = _line(0)
        end_with_parent()
        job = json.loads(line)
        heartbeat = Heartbeat(channel)
        trained(Path(job["path"]), from_dict(job["config"]), heartbeat)
        heartbeat.end()
        return 0
    except RunLocked:
        channel.send(locked=True)
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        traceback.print_exc()
        channel.send(error=f"{type(error).__name__}: {error}")
        return 1


def _line(descriptor: int) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        part = os.read(descriptor, 65536)
        if not part:
            raise EOFError("the sweep ended before it said what to train")
        data += part
    return data


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
