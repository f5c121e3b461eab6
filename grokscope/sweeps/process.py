"""One worker process, seen from the process that started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import grokscope
from grokscope.config import loaded_plugins
from grokscope.sweeps.job import Work

TAIL_LINES = 20
"""Lines of a log that are shown when a run fails."""


class WorkerProcess:
    """A process that works on one run, and then on another if it is given one; see `grokscope.sweeps.worker`.

    Arguments:
        job: what it does first.
        path: the run directory.
        log: the file that its standard output and error are added to.
    """

    def __init__(self, job: Work, path: Path, log: Path) -> None:
        self.program, self.threads = job.program, job.threads
        reader, writer = os.pipe()
        self.channel = reader
        os.set_blocking(reader, False)
        self.silent = False
        """Whether it has closed its end of the channel, as its end does."""
        self._partial = b""
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with log.open("ab") as output:
                self._process = subprocess.Popen(
                    # -P: a module in the current directory must not be taken for one of ours.
                    [sys.executable, "-P", "-m", self.program, str(writer)],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=(writer,),
                    env=environment(self.threads),
                    start_new_session=True,  # Ctrl-C in the terminal is for the parent, which passes it on
                )
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self.take(job, path, log)

    def take(self, job: Work, path: Path, log: Path) -> None:
        """Give it a run to work on; it has none, or is done with the last."""
        self.log = log
        self.heard = time.monotonic()
        """When it last said anything, or was given this run."""
        self.worked = False
        """Whether it has taken a step."""
        self.locked = False
        """Whether it found that another process works on this run."""
        self.result: Any = None
        """What it said had come of its work."""
        self.error: str | None = None
        """What it said had gone wrong."""
        self.free = False
        """Whether it is done with this run, and waits for another."""
        self._log_start = log.stat().st_size if log.exists() else 0  # what is there is of an earlier attempt
        told = {"path": str(path.absolute()), "log": str(log.absolute()), "plugins": loaded_plugins()}
        order = {**told, **job.order()}
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended already: its exit code will tell
            self._process.stdin.write((json.dumps(order) + "\n").encode())
            self._process.stdin.flush()

    def progress(self) -> dict[str, Any] | None:
        """The last that it said of its progress since the last call, without waiting."""
        data, last = b"", None
        with suppress(BlockingIOError):
            while part := os.read(self.channel, 65536):
                data += part
            self.silent = True
        if data:
            self.heard = time.monotonic()
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            self.locked = self.locked or "locked" in message
            self.error = message.get("error", self.error)
            self.result = message.get("result", self.result)
            self.free = self.free or "free" in message
            last = message if "rate" in message else last
        self.worked = self.worked or last is not None
        return last

    def exit_code(self) -> int | None:
        """Its exit code, minus the signal's number if it was killed; None as long as it lives."""
        return self._process.poll()

    def stop(self) -> None:
        """Ask it to end: a run in training is left to be resumed."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Wait for its end, and give up the pipes."""
        self._process.wait()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        os.close(self.channel)

    def drop_empty_log(self) -> None:
        """Remove a log without a line."""
        with suppress(OSError):
            if not self.log.stat().st_size:
                self.log.unlink()

    def tail(self) -> list[str]:
        """The last lines that it wrote to its log."""
        try:
            with self.log.open("rb") as stream:
                stream.seek(self._log_start)
                text = stream.read().decode(errors="replace")
        except OSError as error:
            return [f"cannot read {self.log}: {error.strerror}"]
        return text.splitlines()[-TAIL_LINES:]


def environment(threads: int) -> dict[str, str]:
    """The environment of a worker: as many threads as its work has, and this package where this process found it."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    places = [str(Path(grokscope.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **dict.fromkeys(names, str(threads)), "PYTHONPATH": os.pathsep.join(places)}
