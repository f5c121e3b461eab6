"""Runs that train in a fraction of a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grokscope.config import RunConfig, override
from grokscope.runs import Run
from grokscope.training import train

# 15 examples to train on, in batches of 6: the last batch of each epoch has 3.
TINY: dict[str, Any] = {
    "task.name": "mul", "modulus": 7, "train_fraction": 0.36,
    "n_layers": 1, "d_model": 8, "n_heads": 2, "d_mlp": 16,
    "batch_size": 6, "training.steps": 20, "checkpoints.every": 4, "eval_every": 3, "arm": "tiny",
}  # fmt: skip


@pytest.fixture
def config() -> Callable[..., RunConfig]:
    """The tiny config, with settings changed."""
    return lambda **changes: override(RunConfig(), {**TINY, **changes})


@pytest.fixture
def trained(config: Callable[..., RunConfig], tmp_path: Path) -> Callable[..., Run]:
    """A finished tiny run in `tmp_path / name`."""

    def make(name: str = "run", **changes: Any) -> Run:
        return train(config(**changes), tmp_path / name, progress=False)

    return make
