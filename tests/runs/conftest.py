"""A small network, weights that are a known function of the step, and runs made of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from grokscope.config import ModelConfig, RunConfig, TaskConfig
from grokscope.model import initial_weights
from grokscope.runs import create_run
from grokscope.tasks import build_task

SMALL = RunConfig(
    arm="lion-clip",
    seed=3,
    task=TaskConfig(name="mul", modulus=5),
    model=ModelConfig(n_layers=1, d_model=8, n_heads=2, d_mlp=16),
)


@pytest.fixture
def config() -> RunConfig:
    return SMALL


def weights_at(step: int) -> dict[str, Tensor]:
    """Weights of the small network, different at every step."""
    return initial_weights(SMALL.model, build_task(SMALL.task), seed=step)


@pytest.fixture(name="weights_at")
def weights_at_fixture():
    return weights_at


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("template") / "run")


@pytest.fixture
def trained(tmp_path: Path, _template: Path) -> Path:
    """A finished run with checkpoints at 0, 10, ..., 50, and a resume state."""
    return shutil.copytree(_template, tmp_path / "runs" / "mul-lion-clip-seed3")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, _template: Path) -> Path:
    """The same, for tests that put back what they change."""
    return shutil.copytree(_template, tmp_path_factory.mktemp("shared") / "run")


def write_run(path: Path) -> Path:
    with create_run(path, SMALL) as writer:
        for step in range(0, 60, 10):
            writer.checkpoint(step, weights_at(step))
            writer.log(
                {
                    "step": step,
                    "train_accuracy": step / 50,
                    "val_accuracy": step / 100,
                    "train_loss": 1 / (step + 1),
                }
            )
        writer.save_state({"momentum": torch.arange(6.0)}, {"step": 50})
        writer.finish("finished", "budget used")
    return path
