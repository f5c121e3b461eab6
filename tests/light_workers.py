"""Workers of sweeps that start in no time (see `tests.forked`); `tests/sweeps` starts them as a user's are."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import IO

import pytest

from tests.forked import ForkedPython


def _forked(
    command: Sequence[str],
    *,
    stdin: int,
    stdout: IO[bytes],
    stderr: int,
    pass_fds: tuple[int],
    env: Mapping[str, str],
    start_new_session: bool,
) -> ForkedPython:
    """What `grokscope.sweeps.process` asks of `subprocess.Popen`."""
    assert (stdin, stderr, start_new_session) == (subprocess.PIPE, subprocess.STDOUT, True)
    *words, channel = command
    assert (channel,) == tuple(map(str, pass_fds))
    return ForkedPython([*words, "{}"], stdout, stdout, env, os.getcwd(), *pass_fds)


@contextmanager
def forking_workers() -> Iterator[None]:
    """Within the block workers are forks."""
    stand_in = SimpleNamespace(Popen=_forked, PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("grokscope.sweeps.process.subprocess", stand_in)
        yield


@pytest.fixture
def light_workers() -> Iterator[None]:
    """Workers are forks, for tests of anything but how they are started."""
    with forking_workers():
        yield
