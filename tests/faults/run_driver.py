"""A process that forks one child per line of its input, so that tests can kill, starve or lock out real processes.

Input lines: ACTION PATH. For each, the child's number is printed at once, and how it ended (its exit code, or
-9 for a kill) when it has. Forking spares every child the seconds that importing torch takes.

    train PATH   create or resume a run of STEPS steps; weights, metrics and state are functions of the step
    hold PATH    reopen the run, print `held`, and keep it
    starve PATH  train with a limit of 3,000 bytes on the size of any file
    nobody PATH  read, and then create, a run as a user without rights
"""

from __future__ import annotations

import os
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path

import torch

from grokscope.config import ModelConfig, RunConfig, TaskConfig
from grokscope.model import initial_weights
from grokscope.runs import RunError, RunWriter, create_run, list_runs, open_run, reopen_run, verify_run
from grokscope.tasks import build_task

STEPS = 40
CONFIG = RunConfig(task=TaskConfig(modulus=5), model=ModelConfig(n_layers=1, d_model=8, n_heads=2, d_mlp=16))


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


TASK = build_task(CONFIG.task)


def weights_at(step: int) -> dict[str, torch.Tensor]:
    return initial_weights(CONFIG.model, TASK, seed=step)


def train(writer: RunWriter) -> None:
    state = writer.load_state()
    start = 0 if state is None else state[1]["step"] + 1
    if state is not None:
        assert state[0]["w"].equal(weights_at(state[1]["step"])["embed.W_E"] * 2)
    writer.truncate(start - 1)
    for step in range(start, STEPS):
        writer.log({"step": step, "train_accuracy": 1.0, "val_accuracy": step / STEPS})
        writer.checkpoint(step, weights_at(step))
        if step % 3 == 0:
            writer.save_state({"w": weights_at(step)["embed.W_E"] * 2}, {"step": step})
        time.sleep(0.001)
    writer.finish("finished")


def act(action: str, path: Path) -> None:
    if action == "starve":
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_500, resource.RLIM_INFINITY))
    if action == "nobody" and os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    if action == "nobody":
        for use in (open_run, reopen_run, verify_run, list_runs):
            with suppress(RunError):
                use(path)
                raise AssertionError(f"{use.__name__} found something")
    with reopen_run(path) if os.path.exists(path / "config.json") else create_run(path, CONFIG) as writer:
        if action == "hold":
            say("held")
            time.sleep(600)
        train(writer)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for line in sys.stdin:
        action, _, path = line.strip().partition(" ")
        child = os.fork()
        if child == 0:
            try:
                act(action, Path(path))
            except RunError as error:
                sys.stderr.write(f"{error}\n")
                sys.stderr.flush()
                os._exit(2)
            os._exit(0)
        say(child)
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
