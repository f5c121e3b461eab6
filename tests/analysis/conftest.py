"""Small runs written by hand, whose numbers the tests know in advance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grokscope.analysis.tables import declared
from grokscope.analysis.tables.declared import analyses
from grokscope.config import RunConfig, override
from grokscope.model import initial_weights, is_buffer
from grokscope.runs import Run, create_run, open_run
from grokscope.tasks import build_task

SMALL = {"modulus": 5, "d_model": 8, "n_heads": 2, "d_mlp": 12, "n_layers": 1, "batch_size": None}


def _rise(steps: np.ndarray, middle: float | None) -> np.ndarray:
    """From 0.01 to 1, half way at step `middle`: a sigmoid in the logarithm of the step; None: it stays."""
    if middle is None:
        return np.full(len(steps), 0.01)
    return 0.01 + 0.99 / (1 + np.exp(-8 * (np.log(np.maximum(steps, 1)) - np.log(middle))))


def metrics_of(steps: np.ndarray, memorises: float | None, groks: float | None) -> pd.DataFrame:
    """Metrics of a run that memorises and groks around the given steps."""
    train, val = _rise(steps, memorises), _rise(steps, groks)
    train_loss, val_loss = np.exp(np.log(4.6) - 9 * train), np.exp(np.log(4.6) + 3 * train - 11 * val)
    columns = {"train_loss": train_loss, "train_accuracy": train, "val_loss": val_loss, "val_accuracy": val}
    return pd.DataFrame({"step": steps, **columns, "seconds": steps * 0.01})


def run_writer(folder: Path) -> Callable[..., Run]:
    """`write(name, memorises=..., groks=..., growth=..., **settings)`: a run in `folder`."""

    def write(
        name: str = "run",
        *,
        memorises: float | None = 60,
        groks: float | None = 400,
        growth: float = 1.0,
        steps: int = 600,
        every: int = 100,
        **settings: object,
    ) -> Run:
        config = override(RunConfig(), {**SMALL, "training.steps": steps, **settings})
        weights = initial_weights(config.model, build_task(config.task), config.seed)
        with create_run(folder / name, config) as writer:
            for row in metrics_of(np.arange(0, steps + 1, 10), memorises, groks).to_dict("records"):
                writer.log(row)
            for step in range(0, steps + 1, every):
                factor = 1 + (growth - 1) * step / steps
                writer.checkpoint(step, {k: v if is_buffer(k) else v * factor for k, v in weights.items()})
            writer.finish("finished")
        return open_run(folder / name)

    return write


@pytest.fixture(autouse=True)
def _declared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An analysis that a test declares is gone after the test."""
    analyses()
    monkeypatch.setattr(declared, "_declared", dict(declared._declared))


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Run]:
    """`run_writer` in the test's own folder."""
    return run_writer(tmp_path)
