"""Training with the engine is training the `HookedTransformer`; and it repeats bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import grokscope
from grokscope.config import RunConfig, override
from grokscope.model import is_buffer
from grokscope.tasks import build_task
from grokscope.training import Trainer

SMALL = {"d_model": 16, "n_heads": 2, "d_mlp": 32, "modulus": 7, "batch_size": 10, "warmup_steps": 3}
CASES = {
    "lion-clip": {"optimizer.name": "lion", "init_rows": "all", "max_norm": 1.0},
    "adamw": {"optimizer.name": "adamw", "weight_decay": 0.1},
    "sgd": {"optimizer.name": "sgd", "momentum": 0.9, "lr": 0.1},
    "pre_ln": {"optimizer.name": "adam", "residual": "pre_ln", "init": "hooked"},
    "no-ln": {"optimizer.name": "adam", "normalization": "none", "activation": "relu", "biases": False, "n_layers": 1},
    "mixed": {"optimizer.name": "lion", "task.name": "mixed", "modulus": 5, "unembed_bias": True, "batch_size": 40},
    "parity": {"optimizer.name": "adam", "task.name": "parity", "bits": 6, "output": "answers", "batch_size": None},
    "s3": {"optimizer.name": "adam", "task.name": "permutation", "degree": 3, "form": "x_y_eq", "n_layers": 3},
}


def _trained(steps: int, **settings: object) -> Trainer:
    config = override(RunConfig(), {**SMALL, **settings})
    trainer = Trainer(config, build_task(config.task))
    for _ in range(steps):
        trainer.update()
    return trainer


@pytest.mark.parametrize("forward", ["engine", "compiled"])
@pytest.mark.parametrize("case", CASES)
def test_fifty_steps_of_engine_and_hooked_transformer_agree(case, forward):
    engine, hooked = (_trained(50, dtype="float64", forward=f, **CASES[case]) for f in (forward, "hooked"))
    start = _trained(0, dtype="float64", **CASES[case])
    differences, moved = {}, 0.0
    for name, value in hooked.weights.items():
        if is_buffer(name):
            continue
        differences[name] = float((engine.weights[name] - value).detach().abs().max())
        moved = max(moved, float((value - start.weights[name]).detach().abs().max()))
    assert {name: size for name, size in differences.items() if size > 1e-8} == {}
    assert moved > 1e-3
    ours, theirs = engine.evaluate(), hooked.evaluate()
    assert ours == pytest.approx(theirs, abs=1e-8)


@pytest.mark.parametrize("forward", ["engine", "compiled", "hooked"])
@pytest.mark.parametrize("optimizer", ["lion", "signsgd"])
def test_b_k_which_no_output_depends_on_stays_where_it_was(forward, optimizer):
    trainer = _trained(5, forward=forward, **{"optimizer.name": optimizer})
    values = {name: value for name, value in trainer.weights.items() if name.endswith("b_K")}
    assert values
    assert all(bool((value == 0).all()) for value in values.values())


# Wide enough that torch splits the work between threads.
WIDE = {"modulus": 23, "d_model": 64, "n_heads": 4, "d_mlp": 256, "batch_size": 200}
WIDE |= {"max_norm": 1.0, "init_rows": "all"}

PROGRAM = """
import hashlib, json, sys, torch
from grokscope.config import RunConfig, override
from grokscope.tasks import build_task
from grokscope.training import Trainer

settings, threads = json.loads(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(threads)
assert torch.get_num_threads() == threads
for forward in ("engine", "compiled", "hooked") * 2:
    config = override(RunConfig(), {**settings, "forward": forward})
    trainer = Trainer(config, build_task(config.task))
    for _ in range(12):
        trainer.update()
    print(hashlib.sha256(trainer.parameters.vector.detach().numpy().tobytes()).hexdigest())
"""


def _digests(threads: int) -> list[str]:
    """Digests of weights that a process of its own trained: engine, compiled, hooked, and once more."""
    # Threads that wait by spinning would wait for each other's time slices when other tests run beside this one.
    threading = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(WIDE), str(threads)],
        env={**os.environ, **threading, "PYTHONPATH": str(Path(grokscope.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize("forward", ["engine", "compiled", "hooked"])
def test_same_seed_gives_bit_identical_weights_on_one_thread(forward):
    first, second = (_trained(12, **WIDE, forward=forward).parameters.vector for _ in range(2))
    assert torch.equal(first, second)


def test_same_seed_gives_bit_identical_weights_on_two_threads():
    digests = _digests(2)
    assert digests[:3] == digests[3:]
    assert len(digests) == 6


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_separate_processes_give_bit_identical_weights(threads):
    assert _digests(threads) == _digests(threads)
