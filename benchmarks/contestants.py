"""What is compared, and a process for each that runs when told to.

Every contestant lives in a process of its own with a fixed thread count; the parent tells one at a time
to run a few steps, in turn (A B C A B C ...), so that whatever else the machine does hits all alike.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import resource
import time
from multiprocessing.connection import Connection
from typing import Any, Protocol

WORKLOADS = {
    "mul": ("mul-lion-clip", {}),
    "s5": ("s5-lion-clip", {}),
    "nanda-p113": ("nanda-add-p113", {}),
    "mul-8layer": ("mul-8layer-lion-clip", {}),
}
"""Name -> (preset, overrides)."""

CONTESTANTS = {"a": "plain PyTorch", "b": "HookedTransformer", "c": "engine", "e": "compiled engine"}
"""`d`, in the results, is two processes of (c) at once."""


class Contestant(Protocol):
    def step(self) -> None: ...
    def evaluate(self) -> Any: ...


class EngineContestant:
    """Training steps and evaluations as `grokscope train` does them."""

    def __init__(self, trainer: Any) -> None:
        self.step = trainer.update
        self.evaluate = trainer.evaluate


def build(contestant: str, preset_name: str, overrides: dict[str, Any], threads: int) -> Contestant:
    """The contestant, ready to train."""
    import torch

    from grokscope.config import preset
    from grokscope.tasks import build_task

    torch.set_num_threads(threads)
    forward = "compiled" if contestant == "e" else "engine"
    config = preset(preset_name, **{**overrides, "forward": forward})
    task = build_task(config.task)
    if contestant == "a":
        from benchmarks.plain import PlainContestant

        return PlainContestant(config, task)
    if contestant == "b":
        from benchmarks.hooked import HookedContestant

        return HookedContestant(config, task)
    from grokscope.engine import retain_freed_memory
    from grokscope.training import Trainer

    retain_freed_memory()  # as grokscope.training.train does
    return EngineContestant(Trainer(config, task))


def _serve(pipe: Connection, contestant: str, preset_name: str, overrides: dict[str, Any], threads: int) -> None:
    runner = build(contestant, preset_name, overrides, threads)
    before = _peak_mib()
    runner.step()
    pipe.send("ready")
    while True:
        command, count = pipe.recv()
        if command == "stop":
            break
        if command == "memory":
            pipe.send((_peak_mib(), _peak_mib() - before))
            continue
        call = runner.step if command == "step" else runner.evaluate
        times = []
        for _ in range(count):
            begin = time.perf_counter()
            call()
            times.append(1e3 * (time.perf_counter() - begin))
        pipe.send(times)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Worker:
    """A contestant in its own process."""

    def __init__(self, contestant: str, preset_name: str, overrides: dict[str, Any], threads: int) -> None:
        context = mp.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        before = os.environ.get("OMP_NUM_THREADS")
        os.environ["OMP_NUM_THREADS"] = str(threads)  # read by the child when it imports torch
        self._process = context.Process(
            target=_serve, args=(theirs, contestant, preset_name, overrides, threads), daemon=True
        )
        self._process.start()
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before

    def wait_ready(self) -> None:
        assert self._pipe.recv() == "ready"

    def ask(self, command: str, count: int = 1) -> None:
        self._pipe.send((command, count))

    def answer(self) -> Any:
        return self._pipe.recv()

    def run(self, command: str, count: int = 1) -> Any:
        self.ask(command, count)
        return self.answer()

    def stop(self) -> None:
        self._pipe.send(("stop", 0))
        self._process.join()
