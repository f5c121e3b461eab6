"""A small network, weights that are a known function of the step, and runs made of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from grokscope.config import ModelConfig, RunConfig, TaskConfig
from grokscope.model import initial_weights
from grokscope.runs import RunWriter, create_run
from grokscope.runs.layout import CONFIG, SEALS
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


@pytest.fixture(scope="session")
def _killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    with create_run(folder / "run", SMALL) as writer:
        _train(writer, range(0, 50, 10))
        writer.save_state({"momentum": torch.arange(6.0)}, {"step": 40})
        _train(writer, (50,))
        writer.flush()
        return shutil.copytree(folder / "run", folder / "copy")


@pytest.fixture
def killed(tmp_path: Path, _killed: Path) -> Path:
    """The same, as a kill leaves it after the last checkpoint: its state is of step 40, and nothing is sealed later."""
    return shutil.copytree(_killed, tmp_path / "killed" / "mul-lion-clip-seed3")


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A finished run that has every file that a run may have."""
    with create_run(tmp_path / "recorded", SMALL) as writer:
        for step in (0, 10):
            _train(writer, (step,))
            row = {"group": "all", "parameter": "", "norm": 1.0}
            margin = {"stage": "after", "operation": "mul", "signal": 1.0}
            writer.log_probes(step, [row], [margin])
            writer.save_state({"momentum": torch.arange(6.0)}, {"step": step})
        writer.finish("finished")
    return tmp_path / "recorded"


@pytest.fixture
def without_seals() -> Callable[[Path], None]:
    """Makes a run one that is older than seals."""

    def remove(path: Path) -> None:
        (path / SEALS).unlink(missing_ok=True)
        record = json.loads((path / CONFIG).read_text())
        del record["sealed"]
        (path / CONFIG).write_text(json.dumps(record))

    return remove


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, _template: Path) -> Path:
    """The same, for tests that put back what they change."""
    return shutil.copytree(_template, tmp_path_factory.mktemp("shared") / "run")


def write_run(path: Path) -> Path:
    with create_run(path, SMALL) as writer:
        _train(writer, range(0, 60, 10))
        writer.save_state({"momentum": torch.arange(6.0)}, {"step": 50})
        writer.finish("finished", "budget used")
    return path


def _train(writer: RunWriter, steps: Iterable[int]) -> None:
    for step in steps:
        writer.checkpoint(step, weights_at(step))
        writer.log(
            {
                "step": step,
                "train_accuracy": step / 50,
                "val_accuracy": step / 100,
                "train_loss": 1 / (step + 1),
            }
        )
