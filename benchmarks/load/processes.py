"""Work in a process that is killed after some time, and processes that bear a mark."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress

import psutil

Counts = dict[str, int | float]
"""What a part counts."""
TAG = "GROKSCOPE_TEST_SWEEP"
"""The environment variable by which the processes of a sweep are told from all others."""


def killed_after(seconds: float, work: Callable[[], None]) -> bool:
    """Do the work in a process that is killed after some time; returns whether the work had ended before."""
    child = _fork(work)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if os.waitstatus_to_exitcode(status) != 0:
                raise RuntimeError("the work failed; see above")
            return True
        time.sleep(0.001)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def in_child(work: Callable[[], None]) -> None:
    """Do the work in a process of its own, undisturbed."""
    if not killed_after(3600, work):
        raise RuntimeError("the work was not done in an hour")


def _fork(work: Callable[[], None]) -> int:
    """A forked process that does the work: it need not import torch again."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def quiet(work: Callable[[], int]) -> None:
    """Do the work of a command without its screen."""
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        code = work()
    if code:
        raise RuntimeError(f"exit code {code}")


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds that the work takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def bearing(mark: str) -> list[psutil.Process]:
    """All living processes whose environment bears the mark, whoever their parent is by now."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(TAG) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def workers_bearing(mark: str) -> list[psutil.Process]:
    """Those of them that are workers of a sweep."""
    found = []
    for process in bearing(mark):
        with suppress(psutil.Error):
            if "grokscope.sweeps.worker" in process.cmdline():
                found.append(process)
    return found
