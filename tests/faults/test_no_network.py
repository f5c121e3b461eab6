"""Training, sweeps on this machine, analyses, reports and the demo speak to no network.

Python tells an audit hook of every connection, binding, message and look-up of a name; here the hook refuses all but
those of AF_UNIX, by which processes of one machine speak. It is in force in all processes that are started, by a
`sitecustomize` on their path. What a library in C would do without Python's sockets it does not see.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import grokscope

ROOT = Path(grokscope.__file__).parents[1]
GUARD = """
import os, sys

NAMES = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo")
SPEAKING = ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg")

def refuse(event, arguments):
    if event in NAMES or (event in SPEAKING and arguments[0].family.name != "AF_UNIX"):
        with open(os.environ["NETWORK_LOG"], "a") as log:
            log.write(f"{event} {arguments[1:]}\\n")
        raise RuntimeError(f"network: {event}")

sys.addaudithook(refuse)
with open(os.environ["NETWORK_LOG"] + ".guarded", "a") as guarded:
    guarded.write(" ".join(sys.orig_argv[1:4]) + "\\n")
"""
WORK = """
from pathlib import Path

from grokscope.cli import main
from grokscope.cli.demo import Arm, run_demo
from grokscope.report import draw

SMALL = {"steps": 20, "modulus": 13, "d_model": 16, "d_mlp": 16, "n_heads": 2, "batch_size": 32, "every": 10}
shown = ("learning_curves", "effective_ranks")  # two plates of each report are enough
draw.plates = lambda known=draw.plates: {name: known()[name] for name in shown}
run_demo([Arm("clipped", "mul-lion-clip", SMALL)], Path("demo"), Path("reports/demo"))
words = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items() if name != "every"]
for command in (
    ["train", "mul-lion-clip", *words, "--out", "run"],
    ["analyze", "run", "--only", "keys", "ranks"],
    ["report", "one", "run"],
):
    assert main(command) == 0, command
"""


def guarded(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own, which may not speak to a network, as all may not that it starts."""
    (folder / "guard").mkdir(exist_ok=True)
    (folder / "guard/sitecustomize.py").write_text(GUARD)
    places = os.pathsep.join([str(folder / "guard"), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": places, "NETWORK_LOG": str(folder / "network")}
    command = [sys.executable, "-P", "-c", code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import socket; socket.socket().connect(('127.0.0.1', 9))",
        "import socket; socket.socket().bind(('127.0.0.1', 0))",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        "import socket; socket.gethostbyname('localhost')",
        "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-P', '-c', 'import socket; "
        "socket.socket().connect((str(), 9))']))",
    ],
)
def test_the_guard_refuses_what_it_is_there_to_refuse(tmp_path, code):
    done = guarded(tmp_path, code)
    assert done.returncode == 1
    assert "RuntimeError: network: socket." in done.stderr
    assert (tmp_path / "network").read_text().startswith("socket.")


def test_training_a_sweep_analyses_a_report_and_the_demo_speak_to_no_network(tmp_path):
    done = guarded(tmp_path, WORK)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "network").exists(), (tmp_path / "network").read_text()
    assert "-P -m grokscope.sweeps.worker" in (tmp_path / "network.guarded").read_text()
    assert len(list(tmp_path.glob("reports/*/index.html"))) == 2
