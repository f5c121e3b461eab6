"""A fork is as a process of its own, but for what it need not import any more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import forked

CODE = """
import os, sys
print(sys.argv, os.getcwd(), sys.path, os.environ["GIVEN"], __name__, sys.dont_write_bytecode, flush=True)
assert os.getsid(0) == os.getpid()
"""
ENDS = ("", "sys.exit(3)", "sys.exit('no')", "raise ValueError('no')", "os.kill(os.getpid(), 9)")


@pytest.mark.parametrize("safe", [[], ["-P"]])
@pytest.mark.parametrize("end", ENDS)
def test_a_fork_has_the_arguments_the_folder_and_the_end_of_a_process_of_its_own(tmp_path, monkeypatch, safe, end):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("/lengthened/by/ray")  # the path of the tests, which is not inherited
    environment = os.environ | {"GIVEN": "x", "PYTHONPATH": f"{tmp_path}/a{os.pathsep}{forked.ROOT}"}
    command = [sys.executable, *safe, "-c", CODE + end, "b", "-c"]
    own = subprocess.run(
        command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, start_new_session=True
    )
    fork = forked.run(command, env=environment)
    assert (fork.returncode, fork.stdout) == (own.returncode, own.stdout)
    assert fork.stderr.splitlines()[-1:] == own.stderr.splitlines()[-1:]


def test_a_fork_has_imported_packages_of_others_and_nothing_of_this_one():
    told = forked.run([sys.executable, "-c", "import sys; print(*sys.modules)"], env=os.environ).stdout.split()
    assert {"torch", "numba", "pandas", "scipy.stats"} <= set(told)
    assert not [name for name in told if name.partition(".")[0] in ("grokscope", "transformer_lens")]
