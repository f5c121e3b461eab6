"""How much memory the exact engine takes for a network and a task, told from their sizes before anything is made.

`tables` is what is read off the examples; `activations` what a batch of n of them leaves for its backward pass, and the
arrays of that pass. The counts are those of `compiled.network`, whose arrays all stay; the engine in operations of
torch makes as many, and lets some go.
"""

from __future__ import annotations

from functools import lru_cache

from grokscope.config import ModelConfig
from grokscope.engine.evaluation import CHUNK
from grokscope.model import d_vocab_out, dtype_of
from grokscope.tasks import TaskSize

INDEX = 8
"""Bytes of a number of a row."""


def tables(task: TaskSize, *, compiled: bool) -> int:
    """Bytes of the prefixes of all examples (see `prefixes`), with what is sorted to find them.

    Arguments:
        compiled: those of the compiled network too, which has tables of its own, example by example.
    """
    kept = (2 + 4 * compiled) * task.n_positions
    return INDEX * task.n_examples * (kept + 6)


@lru_cache(maxsize=256)
def activations(config: ModelConfig, task: TaskSize, n: int, *, backward: bool) -> int:
    """Bytes of all arrays that a network laid out for n examples computes on.

    Arguments:
        backward: whether gradients are computed too.
    """
    return dtype_of(config).itemsize * _numbers(config, task, n, backward) + INDEX * _indices(config, task, n)


def evaluation(config: ModelConfig, task: TaskSize) -> int:
    """Bytes of the tables of all examples, and of an evaluation in operations of torch, a chunk at a time."""
    return tables(task, compiled=False) + activations(config, task, min(CHUNK, task.n_examples), backward=False)


def _rows(config: ModelConfig, task: TaskSize, n: int) -> list[int]:
    """Rows at each position."""
    sees_all = config.attention_dir == "bidirectional" and config.n_layers > 1
    return [n if sees_all else min(count, n) for count in task.prefixes[:-1]] + [n]


def _keys(config: ModelConfig, rows: list[int]) -> int:
    """Pairs of a row and a row that it attends to."""
    sees_all = config.attention_dir == "bidirectional" and config.n_layers > 1
    return sum(count * (len(rows) if sees_all else place) for place, count in enumerate(rows, start=1))


def _indices(config: ModelConfig, task: TaskSize, n: int) -> int:
    """Numbers of rows that a plan lays out."""
    rows = _rows(config, task, n)
    return 2 * _keys(config, rows) + 4 * sum(rows)


def _numbers(config: ModelConfig, task: TaskSize, n: int, backward: bool) -> int:
    """Entries of all arrays of activations and of their gradients."""
    d, m, h, heads = config.d_model, config.d_mlp, config.all_heads, config.n_heads
    rows, passes = _rows(config, task, n), 1 + backward
    n_rows, n_keys, unigrams = sum(rows), _keys(config, rows), task.n_unigrams
    total = 2 * unigrams * d
    for layer in range(config.n_layers):
        is_last = layer == config.n_layers - 1
        before, after = unigrams if layer == 0 else n_rows, n if is_last else n_rows
        total += before * d * (1 + 2 * backward)  # normed, and what comes back
        if layer == 0:
            total += unigrams * (3 * h + heads * d) * passes
        elif is_last:
            total += n * (2 * h + 2 * heads * d) * passes
        else:
            total += 4 * n_rows * h * passes
        total += heads * (n * len(rows) if is_last else n_keys)  # attention patterns
        total += after * d * (2 + 2 * backward)
        if not config.attention_only:
            total += after * (2 * m + d) + (after * m if backward and (is_last or layer == 0) else 0)
    return total + n * (d * passes + d_vocab_out(config, task) * (2 + backward))
