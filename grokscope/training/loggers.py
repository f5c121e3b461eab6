"""Callbacks that send a run's curves to TensorBoard and to Weights & Biases, each an extra that is installed apart.

The run directory holds everything that they are sent; they change nothing that is trained.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grokscope.config import ConfigError, RunConfig, to_dict
from grokscope.training.callbacks import Callback


class TensorBoard(Callback):
    """Losses and accuracies of every evaluation as a TensorBoard event file; the config as its text.

    Needs `pip install 'grokscope[tensorboard]'`; shown by `tensorboard --logdir DIR`.

    Arguments:
        folder: where event files go; left out: the folder `tensorboard` of the run.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError as error:
            raise _missing("tensorboard", error) from None
        self._make, self._folder, self._writer = SummaryWriter, folder, None

    def on_start(self, config: RunConfig, path: Path, step: int) -> None:
        folder = path / "tensorboard" if self._folder is None else Path(self._folder)
        # After a resume, what an interrupted process wrote of later steps is not shown.
        self._writer = self._make(str(folder), purge_step=step + 1 if step else None)
        self._writer.add_text("config", f"    {json.dumps(to_dict(config), indent=2)}".replace("\n", "\n    "), step)

    def on_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        assert self._writer is not None
        for name, value in metrics.items():
            split, _, what = name.partition("_")
            self._writer.add_scalar(f"{what}/{split}", value, step)

    def on_end(self, status: str) -> None:
        if self._writer is not None:
            self._writer.close()


class WandB(Callback):
    """Losses and accuracies of every evaluation, and the config, as a run of Weights & Biases.

    Needs `pip install 'grokscope[wandb]'`. It is offline, and asks for no login, unless `mode` or the environment
    variable WANDB_MODE says otherwise; `wandb sync` uploads what an offline run has kept.

    Arguments:
        project: the project's name.
        mode: offline, online, shared or disabled; left out: WANDB_MODE, or offline.
        options: further arguments of `wandb.init`, such as `dir` (left out: the folder `wandb` of the run).
    """

    def __init__(self, project: str = "grokscope", *, mode: str | None = None, **options: Any) -> None:
        try:
            import wandb
        except ImportError as error:
            raise _missing("wandb", error) from None
        self._wandb, self._run = wandb, None
        self._options = {"project": project, "mode": mode or os.environ.get("WANDB_MODE") or "offline", **options}

    def on_start(self, config: RunConfig, path: Path, step: int) -> None:
        own = {"name": path.name, "config": to_dict(config), "dir": str(path)}
        # Nothing of the terminal is captured and nothing printed: that is the run's, and the user's.
        quiet = self._wandb.Settings(console="off", silent=True)
        self._run = self._wandb.init(**{"settings": quiet, **own, **self._options})

    def on_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        assert self._run is not None
        self._run.log(dict(metrics), step=step)

    def on_end(self, status: str) -> None:
        if self._run is not None:
            self._run.summary["status"] = status
            self._run.finish(exit_code=0 if status in ("finished", "diverged") else 1)


LOGGERS = {"tensorboard": TensorBoard, "wandb": WandB}
"""What `--log` takes."""


def loggers(names: tuple[str, ...]) -> list[Callback]:
    """The callbacks of some names. Raises `ConfigError` for an unknown one, and for a package that is not installed."""
    for name in names:
        if name not in LOGGERS:
            raise ConfigError(f"--log {name} is not accepted: use {' or '.join(LOGGERS)}")
    return [LOGGERS[name]() for name in dict.fromkeys(names)]


def _missing(extra: str, error: ImportError) -> ConfigError:
    return ConfigError(f"{extra} is not installed ({error}): pip install 'grokscope[{extra}]'")
