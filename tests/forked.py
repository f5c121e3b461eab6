"""Python processes that start in no time: forks of one that has imported what this package depends on, and no more.

Importing torch and the rest takes three seconds of every process that trains or analyses. A fork begins to import this
package where a process of its own would. It serves tests of anything but the interpreter's start.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import chdir
from functools import cache
from multiprocessing.reduction import DupFd
from pathlib import Path
from tempfile import TemporaryFile
from types import ModuleType
from typing import IO, Any

ROOT = Path(__file__).parents[1]

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.third_party", __name__])


class ForkedPython:
    """As `subprocess.Popen` of `PYTHON [-P] -m MODULE ...` or `PYTHON [-P] -c CODE ...`, in a session of its own.

    Arguments:
        command: the words of the command.
        stdout, stderr: files that its output goes to.
        env: its environment, of which PYTHONPATH and PYTHONDONTWRITEBYTECODE count as they do at Python's start.
        cwd: the folder that it is started in.
        pass_fd: a file descriptor that it inherits. Its number there stands for `{}` in the last word.
    """

    def __init__(
        self,
        command: Sequence[str],
        stdout: IO[Any],
        stderr: IO[Any],
        env: Mapping[str, str],
        cwd: str | os.PathLike[str],
        pass_fd: int | None = None,
    ) -> None:
        python, *words = command
        assert python == sys.executable
        orders, writer = os.pipe()
        ready, begun = os.pipe()
        files = [DupFd(descriptor) for descriptor in (orders, stdout.fileno(), stderr.fileno(), begun)]
        passed = None if pass_fd is None else DupFd(pass_fd)
        folder = os.path.abspath(cwd)
        self._process = _forks.Process(
            target=_be, args=(words, dict(env), folder, _installed(), files, passed), daemon=True
        )
        with chdir(ROOT):  # the first one starts the process that is forked from, which imports modules of the tests
            self._process.start()
        os.close(orders)
        os.close(begun)
        os.read(ready, 1)  # it has a session of its own: before that, its group could not be killed
        os.close(ready)
        self.pid = self._process.pid
        self.stdin = os.fdopen(writer, "wb", buffering=0)

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int:
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        assert self.pid is not None
        os.kill(self.pid, number)


def run(
    command: Sequence[str], *, env: Mapping[str, str], cwd: str | os.PathLike[str] | None = None
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run(..., capture_output=True, text=True)` for the commands of `ForkedPython`."""
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        process = ForkedPython(command, out, err, env, Path.cwd() if cwd is None else cwd)
        process.stdin.close()
        code = process.wait()
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(command, code, out.read(), err.read())


@cache
def _installed() -> tuple[str, ...]:
    """The path of a process of its own, without folders that it is given: packages lengthen that of the tests."""
    command = [sys.executable, "-P", "-c", "import sys; print(*sys.path, sep='\\n')"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": ""}, capture_output=True, text=True, check=True)
    return tuple(done.stdout.splitlines())


def _be(
    words: list[str], env: dict[str, str], cwd: str, installed: tuple[str, ...], files: list[Any], passed: Any
) -> None:
    """In the fork: be that command."""
    os.setsid()
    *standard, begun = (file.detach() for file in files)
    os.write(begun, b".")
    os.close(begun)
    for place, descriptor in enumerate(standard):
        os.dup2(descriptor, place)
        os.close(descriptor)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.dont_write_bytecode = bool(env.get("PYTHONDONTWRITEBYTECODE"))
    safe = words[0] == "-P"
    kind, what, *arguments = words[safe:]
    if passed is not None:
        arguments[-1] = arguments[-1].format(passed.detach())
    named = [place for place in env.get("PYTHONPATH", "").split(os.pathsep) if place]
    sys.path[:] = [*([] if safe else [""]), *named, *installed]
    sys.argv = ["-c", *arguments]
    try:
        if kind == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            assert kind == "-c"
            main = sys.modules["__main__"] = ModuleType("__main__")
            exec(compile(what, "<string>", "exec"), main.__dict__)
    except Exception:
        traceback.print_exc()
        sys.exit(1)
