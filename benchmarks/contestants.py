"""What is compared: the workloads, and the contestants that train and evaluate them.

Nothing of grokscope is imported before a contestant is built, because one of them is built with an older grokscope.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks import before

if TYPE_CHECKING:
    from torch import Tensor

    from grokscope.config import RunConfig
    from grokscope.tasks import Task
    from grokscope.training import BatchStream, Trainer

WORKLOADS = {
    "mul": "mul-lion-clip",
    "s5": "s5-lion-clip",
    "nanda-p113": "nanda-add-p113",
    "mul-8layer": "mul-8layer-lion-clip",
}
"""The preset of each workload, by its name."""


class Contestant(Protocol):
    """A network in training."""

    batches: BatchStream

    def step(self) -> float:
        """One training step; returns its loss in nats."""
        ...

    def evaluate(self) -> object:
        """Loss and accuracy over all examples of the task; the engines give those of each split."""
        ...

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """The weights as they are now, with `HookedTransformer` names and shapes."""
        ...


@dataclass(frozen=True)
class Kind:
    """What a contestant is, and how it is built."""

    title: str
    build: Callable[[RunConfig, Task], Contestant]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings by which the config of the workload is changed."""
    processes: int = 1
    """How many processes of it run at once."""
    source: Callable[[], Path] | None = None
    """Gives the checkout that its process imports grokscope from; None: this one."""


class EngineContestant:
    """Training steps and evaluations as `grokscope train` does them."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.batches, self.step, self.evaluate = trainer.batches, trainer.update, trainer.evaluate

    @property
    def weights(self) -> Mapping[str, Tensor]:
        return self.trainer.weights


def _engine(config: RunConfig, task: Task) -> Contestant:
    from grokscope.engine import retain_freed_memory
    from grokscope.training import Trainer

    retain_freed_memory()  # as grokscope.training.train does
    return EngineContestant(Trainer(config, task))


def _plain(config: RunConfig, task: Task) -> Contestant:
    from benchmarks.plain import PlainContestant

    return PlainContestant(config, task)


def _torch_compiled(config: RunConfig, task: Task) -> Contestant:
    from benchmarks.torch_compiled import TorchCompiledContestant

    return TorchCompiledContestant(config, task)


def _hooked(config: RunConfig, task: Task) -> Contestant:
    from benchmarks.hooked import HookedContestant

    return HookedContestant(config, task)


def _jax(config: RunConfig, task: Task) -> Contestant:
    from benchmarks.jax_decoder import JaxContestant

    return JaxContestant(config, task)


CONTESTANTS = {
    "a": Kind("plain PyTorch", _plain),
    "t": Kind("plain, torch.compile", _torch_compiled),
    "b": Kind("HookedTransformer", _hooked),
    "j": Kind("JAX jit", _jax),
    "o": Kind("engine before", _engine, source=before.checkout),
    "c": Kind("engine", _engine, {"forward": "engine"}),
    "d": Kind("two engines at once, each", _engine, {"forward": "engine"}, processes=2),
    "e": Kind("compiled engine", _engine, {"forward": "compiled"}),
}
"""Every contestant by its letter, in the order of their turns."""


def build(contestant: str, preset_name: str, overrides: Mapping[str, Any], threads: int) -> Contestant:
    """The contestant, ready to train.

    Raises `Unavailable` where it cannot run on this machine.
    """
    import torch

    from grokscope.config import preset
    from grokscope.tasks import build_task

    torch.set_num_threads(threads)
    kind = CONTESTANTS[contestant]
    config = preset(preset_name, **{**overrides, **kind.settings})
    return kind.build(config, build_task(config.task))
