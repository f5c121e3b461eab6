"""Sweeps over runs that train in a fraction of a second, once their process has started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

TINY = """
[settings]
task = { name = "mul", modulus = 7, train_fraction = 0.36 }
model = { n_layers = 1, d_model = 8, n_heads = 2, d_mlp = 16 }
training = { steps = STEPS, batch_size = 6, eval_every = 5 }
checkpoints.every = 4
"""


@pytest.fixture
def sweep_file(tmp_path: Path) -> Callable[..., Path]:
    """A file with the settings of a tiny run, `head` before them and `rest` after them."""

    def write(head: str = "seeds = [0]", rest: str = "", steps: int = 20) -> Path:
        path = tmp_path / "tiny.toml"
        path.write_text(head + TINY.replace("STEPS", str(steps)) + rest)
        return path

    return write
