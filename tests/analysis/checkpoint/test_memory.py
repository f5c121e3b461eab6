"""Analyses of large groups go through blocks, and start only where there is memory for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from benchmarks.analysis import with_key
from grokscope.analysis.checkpoint import blocks, checkpoint, grid
from grokscope.analysis.checkpoint.checkpoint import RunContext
from grokscope.analysis.checkpoint.memory import all_pairs, no_pairs
from grokscope.analysis.tables.registry import run_all
from grokscope.capacity import CapacityError
from grokscope.config import RunConfig, override
from grokscope.model import d_vocab_out, initial_weights
from grokscope.runs import Run
from grokscope.tasks import build_task
from tests.planted import write_run

SMALL = {"task.name": "permutation", "d_model": 16, "n_heads": 2, "d_mlp": 12, "n_layers": 1}


def run_of(path: Path, degree: int, dtype: str) -> Run:
    """A run with one checkpoint, whose embedding has a key irrep."""
    config = override(RunConfig(), {**SMALL, "degree": degree, "dtype": dtype})
    task = build_task(config.task)
    weights = initial_weights(config.model, task, 0)
    weights["embed.W_E"] = with_key(weights["embed.W_E"], task)
    return write_run(path, config, {0: weights})


@pytest.fixture
def blocks_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make blocks of so many numbers, and keep no activations that are not asked for."""

    def set_size(numbers: int) -> None:
        monkeypatch.setattr(blocks, "BLOCK", numbers)
        monkeypatch.setattr(checkpoint, "KEPT_BYTES", 1)
        monkeypatch.setattr(grid, "PAIRS", 400)

    return set_size


def test_tables_do_not_depend_on_the_size_of_blocks(tmp_path: Path, blocks_of: Callable[[int], None]) -> None:
    whole = run_all(run_of(tmp_path / "whole" / "run", 4, "float64"), ["fourier"])
    blocks_of(1200)  # of 576 pairs times 12 or 24 units
    in_parts = run_all(run_of(tmp_path / "parts" / "run", 4, "float64"), ["fourier"])
    assert (whole["ablation"]["n_irreps"] > 0).any()
    for name, table in whole.items():
        pd.testing.assert_frame_equal(in_parts[name], table, rtol=1e-9, atol=1e-11)


def test_a_held_activation_is_made_once_however_large_and_is_let_go_of(
    tmp_path: Path, blocks_of: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks_of(1200)
    scope = RunContext(run_of(tmp_path / "run", 3, "float64"))
    network, operation = checkpoint.Checkpoint(scope, 0), scope.frames[0].operation
    made: list[tuple[str, ...]] = []
    activations = grid.PairGrid.activations
    monkeypatch.setattr(
        grid.PairGrid, "activations", lambda *args: (made.append(tuple(args[2])), activations(*args))[1]
    )
    first, again = (network.activations(operation, "logits") for _ in range(2))
    assert made == [("logits",), ("logits",)]
    assert torch.equal(first, again)
    with network.holding(operation, "logits"):
        held = network.activations(operation, "logits")
        with network.holding(operation, "logits"):
            assert network.activations(operation, "logits") is held
        assert network.activations(operation, "logits") is held
    assert made == [("logits",)] * 3
    assert torch.equal(held, first)
    network.activations(operation, "logits")
    assert made == [("logits",)] * 4


class Allocations(TorchDispatchMode):
    """The operations that make a storage of more than so many bytes, with its size."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit, self.large = limit, []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        given = {x.untyped_storage().data_ptr() for x in tree_flatten((args, kwargs))[0] if isinstance(x, torch.Tensor)}
        for x in tree_flatten(result)[0]:
            if isinstance(x, torch.Tensor) and x.untyped_storage().data_ptr() not in given:
                size = x.untyped_storage().nbytes()
                if size > self.limit:
                    self.large.append((str(function), size))
        return result


def test_nothing_but_activations_themselves_takes_more_than_a_few_blocks(
    tmp_path: Path, blocks_of: Callable[[int], None]
) -> None:
    run = run_of(tmp_path / "run", 5, "float32")
    block = 2**17
    blocks_of(block)
    pairs, outputs = 120**2, d_vocab_out(run.config.model, run.task)
    with Allocations(limit=4 * 8 * block) as seen:
        run_all(run, ["fourier"])
    # The logits at all pairs, in float32, are larger than that: they are made whole, once for each that asks.
    assert {size for _, size in seen.large} == {4 * pairs * outputs}
    assert {function for function, _ in seen.large} == {"aten.new_empty.default"}


def test_an_estimate_is_no_less_than_what_is_held(tmp_path: Path) -> None:
    """Against the sizes that the formulas of a transform have: activations, and diagonal blocks of every irrep."""
    context = RunContext(run_of(tmp_path / "run", 5, "float32"))
    pairs, dims = 120**2, [1, 1, 4, 4, 5, 5, 6]
    activations = 4 * pairs * (16 + 12 + 16 + 120)
    transforms = 4 * sum(dim**4 for dim in dims) * (12 + 120)
    assert all_pairs(context).each > activations + transforms
    assert all_pairs(context).of(2) - all_pairs(context).of(1) == all_pairs(context).each
    assert no_pairs(context).of(1) < all_pairs(context).of(1) / 10


def test_what_does_not_fit_is_refused_before_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(tmp_path / "run", 4, "float32")
    needed = all_pairs(RunContext(run))
    monkeypatch.setattr("grokscope.capacity.free_memory", lambda: needed.of(1) + 10)
    monkeypatch.setattr("grokscope.analysis.checkpoint.over_checkpoints.Checkpoint", None)  # nothing is looked at
    message = (
        rf"^keys of run 'run' would need {needed.of(2):,} bytes of memory with 2 checkpoints at a time, and "
        rf"{needed.of(1) + 10:,} are free; what would do: one checkpoint at a time \(workers = 1\), "
        rf"which needs {needed.of(1):,} bytes, or a machine with .* GB free, or the analyses that need less \(ranks\)$"
    )
    with pytest.raises(CapacityError, match=message):
        run_all(run, ["keys", "ranks"], workers=2)


def test_pairs_that_do_not_fit_are_refused_before_one_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(tmp_path / "run", 4, "float32")
    monkeypatch.setattr("grokscope.capacity.free_memory", lambda: 256 * 24**2)
    monkeypatch.setattr("grokscope.analysis.checkpoint.over_checkpoints.RunContext", None)
    with pytest.raises(
        CapacityError, match=r"looking at 576 pairs of operands of run 'run' needs about 230 kB of memory"
    ):
        run_all(run, ["keys"])
    with pytest.raises(TypeError):  # what looks at no pairs goes on
        run_all(run, ["ranks"])
