"""A contestant in a process of its own, which runs when told to.

Every contestant lives in its own process with a fixed thread count. The parent tells one at a time to run a few steps,
in turn (A B C A B C ...), so that whatever else the machine does hits all alike.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.contestants import CONTESTANTS, Contestant, build
from benchmarks.unavailable import Unavailable

ROOT = Path(__file__).parents[1]
WARM_UP_STEPS = 3


def environment(threads: int) -> dict[str, str]:
    """The environment of a process whose numerical libraries use so many threads."""
    eigen = "true" if threads > 1 else "false"
    return {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        # JAX reads the size of its thread pool from NPROC.
        "NPROC": str(threads),
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads}",
    }


class Worker:
    """A contestant in its own process; made, it is warm and waits.

    Arguments:
        contestant: its letter.
        preset_name: the preset that it trains.
        overrides: settings by which that is changed.
        threads: threads of the process.
        source: the checkout that its grokscope is imported from; left out: this one.

    Raises `Unavailable` where the contestant cannot run on this machine.
    """

    def __init__(
        self,
        contestant: str,
        preset_name: str,
        overrides: Mapping[str, Any],
        threads: int,
        source: Path | None = None,
    ) -> None:
        wanted = {
            "contestant": contestant,
            "preset_name": preset_name,
            "overrides": overrides,
            "threads": threads,
            "source": None if source is None else str(source),
        }
        self._title = CONTESTANTS[contestant].title
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", json.dumps(wanted)],
            cwd=ROOT,
            env=environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        ready = self.answer()
        if "unavailable" in ready:
            self.stop()
            raise Unavailable(ready["unavailable"])
        self.grokscope = Path(ready["grokscope"])
        """The folder of the grokscope that the process imported."""

    def ask(self, command: str, count: int = 1) -> None:
        """Tell it to `step` or to `evaluate` so many times, or to report its `memory`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([command, count]) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """What it answers: milliseconds of each step or evaluation; or peak MiB, and those above its start."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of {self._title} ended with exit code {self._process.wait()}")
        return json.loads(line)

    def run(self, command: str, count: int = 1) -> Any:
        """`ask`, and its answer."""
        self.ask(command, count)
        return self.answer()

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()


def warm_up(contestant: Contestant) -> None:
    """Steps on every size of batch, the ragged one of an epoch included, and an evaluation.

    What is compiled for a size of batch is compiled here.
    """
    for _ in range(max(WARM_UP_STEPS, contestant.batches.steps_per_epoch)):
        contestant.step()
    contestant.evaluate()


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _import_grokscope(source: str | None) -> str:
    """Import grokscope, from a checkout if one is named; returns the folder that it came from."""
    if source is not None:
        sys.path.insert(0, source)
    import grokscope

    folder = Path(grokscope.__file__).parent
    if source is not None and folder.parent != Path(source):
        raise RuntimeError(f"grokscope was imported from {folder.parent}, not from {source}")
    return str(folder)


def main() -> None:
    # What is printed to standard output by a library would be taken for an answer: it goes to standard error.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def reply(answer: Any) -> None:
        replies.write(json.dumps(answer) + "\n")
        replies.flush()

    wanted = json.loads(sys.argv[1])
    folder = _import_grokscope(wanted.pop("source"))
    try:
        contestant = build(**wanted)
        before = _peak_mib()
        warm_up(contestant)
    except Unavailable as why:
        reply({"unavailable": str(why)})
        return
    reply({"grokscope": folder})
    calls = {"step": contestant.step, "evaluate": contestant.evaluate}
    for line in sys.stdin:
        command, count = json.loads(line)
        if command == "memory":
            reply([_peak_mib(), _peak_mib() - before])
            continue
        times = []
        for _ in range(count):
            begin = time.perf_counter()
            calls[command]()
            times.append(1e3 * (time.perf_counter() - begin))
        reply(times)


if __name__ == "__main__":
    main()
