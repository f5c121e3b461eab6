"""What a run takes of memory and disk, told from its config before anything is made.

Both are counted from shapes: weights and what rules remember of them, arrays of the network, tables of the examples,
files of the run. They are upper estimates, and right within a factor of two: the run uses its whole budget, a dense
schedule stays dense, and what is copied to be written waits for the disk. `python -m benchmarks.memory` compares them
with what is measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil
from os import PathLike
from pathlib import Path

from grokscope.capacity import check_disk, check_memory, has_plenty
from grokscope.config import ModelConfig, RunConfig, forward_path
from grokscope.engine import estimate as engine
from grokscope.engine.compiled.engine import LARGEST_EVALUATION
from grokscope.model import d_vocab_out, dtype_of, parameter_bytes, parameter_shapes
from grokscope.tasks import TaskSize, task_size

LIBRARIES = 180_000_000
"""Bytes that a process takes for what it imports, compiles and keeps in reserve once training begins."""
PROCESS = 200_000_000
"""Bytes of a worker process before training begins that no other process shares."""
FULL_BATCH_EVALUATION = 10
"""Steps between evaluations in full-batch training, where an epoch is one step."""

_COPIES = 8
"""Vectors of the weights, beside those that the rule keeps: weights, their start and gradient, a step that is recorded
(before, updated, after, gradient), and a checkpoint that waits for the disk."""
_WRITTEN = 2
"""Copies of what a resume state holds: the one that waits, and its bytes."""
_HOOKED = 3
"""How much more than the exact engine, row by row, autograd keeps of a `HookedTransformer`."""

_FILES = 30_000
"""Bytes of a run's files without weights, metrics and probes."""
_ENTRY = 500
"""Of a checkpoint: its line in the manifest, and what the table of contents of its file takes without the tensors."""
_NAME = 100
"""Of a tensor in the table of contents of a file of weights."""
_METRICS, _PROBES, _MARGINS, _TRACE = 250, 900, 550, 90
"""Of a row: metrics (its part of the table too), probes, margins; and of a parameter in a trace."""


@dataclass(frozen=True)
class Counts:
    """How often things are done in a run from one step to another."""

    steps: int
    evaluations: int
    records: int
    margins: int
    checkpoints: int


def counts(config: RunConfig, begin: int = 0) -> Counts:
    """The counts of a run that uses its whole budget, from a step on."""
    training, probes, steps = config.training, config.probes, config.training.steps - begin
    cadence = training.eval_every
    if cadence is None:
        cadence = FULL_BATCH_EVALUATION if training.batch_size is None else steps_per_epoch(config)
    return Counts(
        steps,
        2 + steps // cadence,
        0 if probes.record_every is None else 1 + ceil(steps / probes.record_every),
        0 if probes.margins_every is None else ceil(steps / probes.margins_every),
        config.checkpoints.count(training.steps, begin),
    )


def steps_per_epoch(config: RunConfig) -> int:
    """Batches of an epoch."""
    return ceil(n_train(config) / batch_size(config))


def n_train(config: RunConfig) -> int:
    """Examples that are trained on, those that a gradient transform holds back included."""
    indices = config.task.train_indices
    size = task_size(config.task)
    return max(1, int(size.n_examples * config.task.train_fraction) if indices is None else len(indices))


def batch_size(config: RunConfig) -> int:
    """Examples of a step."""
    size = config.training.batch_size
    return n_train(config) if size is None else min(size, n_train(config))


def memory(config: RunConfig) -> int:
    """Bytes of the machine's memory that training a run takes, beside those that its process holds already.

    What lies on another device than the processor does not count.
    """
    size, path = task_size(config.task), forward_path(config).name
    weights = _weights(config.model, size)
    total = LIBRARIES + size.bytes + weights.bytes * _COPIES + _WRITTEN * _state_bytes(config, weights)
    if config.training.device != "cpu":
        return total
    vectors = config.optimizer.kept_vectors + config.gradient.kept_vectors + config.gradient.passing_vectors
    total += vectors * weights.trained + engine.tables(size, compiled=path == "compiled")
    if config.probes.margins_every is not None:
        total += size.n_examples * d_vocab_out(config.model, size) * dtype_of(config.model).itemsize
    n = batch_size(config)
    total += _activations(config, size, n) + _activations(config, size, n_train(config) % n)  # the last of an epoch
    return total + _evaluation(config, size)


def disk(config: RunConfig, begin: int = 0) -> int:
    """Bytes that a run's directory comes to, from a step on."""
    number, weights = counts(config, begin), _weights(config.model, task_size(config.task))
    checkpoint = weights.bytes + _ENTRY + _NAME * weights.tensors
    total = _FILES + number.checkpoints * checkpoint + 2 * _state_bytes(config, weights)
    total += number.evaluations * _METRICS + number.records * _PROBES * (weights.tensors + 10)
    total += number.margins * 3 * _MARGINS * len(config.task.operations if config.task.name == "mixed" else (1,))
    total += number.steps * _TRACE * weights.tensors if config.probes.trace else 0
    stored = config.task.labels or config.task.given
    return total + (len(stored.content) if stored is not None else 0)


def least_disk(config: RunConfig, begin: int = 0) -> int:
    """Bytes that a run's directory comes to where it ends, or its dense schedule thins out, as soon as that can be."""
    checkpoints, training = config.checkpoints, config.training
    if checkpoints.schedule == "dense":
        checkpoints = replace(checkpoints, every=checkpoints.sparse_every)
    if training.stop_evaluations is not None:
        training = replace(training, steps=begin + 1)
        checkpoints = replace(checkpoints, schedule="ends", steps=())
    return disk(replace(config, training=training, checkpoints=checkpoints), begin)


def check_room(config: RunConfig, path: str | PathLike[str], name: str, begin: int = 0) -> None:
    """Raise `CapacityError` where the machine has not the memory or the disk that a run takes, even if it ends early.

    Arguments:
        config: of the run.
        path: its directory; what it holds already needs no more room.
        name: what is about to be done, as in "training mul-lion-seed0".
        begin: the step from which on it is trained.
    """
    check_memory(memory(config), name)
    if has_plenty(disk(config, begin), path):
        return  # without a look at each of a run's files
    most, least = disk_left(config, Path(path), begin)
    check_disk(most, path, name, least=least)


def disk_left(config: RunConfig, path: Path, begin: int = 0) -> tuple[int, int]:
    """Bytes that are still to be written into a run's directory: at most, and where it ends as early as it may."""
    there = held(path)
    return max(0, disk(config, begin) - there), max(0, least_disk(config, begin) - there)


def held(path: Path) -> int:
    """Bytes of the files below a directory."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else 0


@dataclass(frozen=True)
class _Weights:
    """Bytes of all parameters, and of those that are trained, and how many tensors they are."""

    bytes: int
    trained: int
    tensors: int


@lru_cache(maxsize=256)
def _weights(config: ModelConfig, size: TaskSize) -> _Weights:
    tensors = len(parameter_shapes(config, size))
    return _Weights(parameter_bytes(config, size), parameter_bytes(config, size, trained=True), tensors)


def _state_bytes(config: RunConfig, weights: _Weights) -> int:
    """Of a resume state: all weights, and what rule and transform remember."""
    kept = config.optimizer.kept_vectors + config.gradient.kept_vectors
    return weights.bytes + kept * weights.trained


def _activations(config: RunConfig, size: TaskSize, n: int) -> int:
    """Of a step on n examples."""
    if not n:
        return 0
    if forward_path(config).name != "hooked":
        return engine.activations(config.model, size, n, backward=True)
    # Every position of every example has a row of its own, and autograd keeps what the exact engine computes anew.
    whole = TaskSize(size.n_examples, (n,) * size.n_positions, n * size.n_positions, size.d_vocab, size.n_answers)
    return _HOOKED * engine.activations(config.model, whole, n, backward=True)


def _evaluation(config: RunConfig, size: TaskSize) -> int:
    """Of an evaluation of all examples: sorted, and computed a part at a time."""
    parts = ceil(size.n_examples / LARGEST_EVALUATION)
    n = ceil(size.n_examples / parts)
    networks = 1 + (size.n_examples % parts > 0)
    return 5 * 8 * size.n_examples + networks * engine.activations(config.model, size, n, backward=False)
