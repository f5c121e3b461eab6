"""The frozen dataclasses that say what a run is.

Every field is checked when the dataclass is made, so that a `RunConfig` that exists can be run. An
error names the field as the user writes it (`task.modulus`), the value, and what would be accepted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_type_hints

from grokscope.config.checks import choice, integer, refuse
from grokscope.config.gradient import GradientConfig
from grokscope.config.loop import CheckpointConfig, ProbeConfig, TrainingConfig
from grokscope.config.loss import LossConfig
from grokscope.config.methods import OpenSection
from grokscope.config.model import ModelConfig
from grokscope.config.norm_control import NormConfig
from grokscope.config.optimizer import OptimizerConfig
from grokscope.config.task import TaskConfig

Forward = Literal["compiled", "engine", "hooked"]


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run. The same config and thread count give bit-identical weights."""

    arm: str = "custom"
    """Name of this setting in a comparison; arms of one seed share initial weights, split and batch order."""
    seed: int = 0
    forward: Forward = "compiled"
    """compiled: the exact engine's fast path, on a CPU; elsewhere as engine. engine: the exact engine in operations of
    torch. hooked: the plain HookedTransformer, which TransformerLens has up to version 3.9."""
    task: TaskConfig = field(default_factory=TaskConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    gradient: GradientConfig = field(default_factory=GradientConfig)
    norms: NormConfig = field(default_factory=NormConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    checkpoints: CheckpointConfig = field(default_factory=CheckpointConfig)
    probes: ProbeConfig = field(default_factory=ProbeConfig)

    def __post_init__(self) -> None:
        if not isinstance(self.arm, str) or not self.arm:
            refuse("arm", self.arm, "use a non-empty name")
        integer("seed", self.seed, 0, 2**31 - 1)
        choice("forward", self.forward, Forward)
        for name, kind in SECTIONS.items():
            if not isinstance(getattr(self, name), kind):
                refuse(name, getattr(self, name), f"use a {kind.__name__}")
        if self.model.tied:
            self._check_tied()
        late = max(self.checkpoints.steps, default=0)
        if late > self.training.steps:
            refuse("checkpoints.steps", late, f"use steps up to training.steps = {self.training.steps}")

    def _check_tied(self) -> None:
        """Whether settings of parameter groups leave the unembedding alone, which follows a tied embedding."""
        for section in ("norms", "optimizer"):
            for name, value in getattr(self, section).read().items():
                entries = value if isinstance(value, tuple) else ()
                own = any(isinstance(entry, tuple) and entry[0] == "unembed" for entry in entries)
                if own or ("unembed" in entries and "embed" not in entries):
                    why = "with model.tied the unembedding is the embedding, and follows it: name embed instead"
                    refuse(f"{section}.{name}", value, why)

    def gradient_evaluations(self, steps: int) -> int:
        """Gradients that so many steps compute: forward and backward passes over one batch each.

        An outer step of neuralgrok computes two more, one on the inner batch and one on the outer examples.
        """
        return steps + self.gradient.extra_evaluations(steps)


SECTIONS: dict[str, type] = {
    name: kind for name, kind in get_type_hints(RunConfig).items() if hasattr(kind, "__dataclass_fields__")
}
"""The nested parts of a `RunConfig`, by field name."""

OPEN = tuple(name for name, kind in SECTIONS.items() if issubclass(kind, OpenSection))
"""The parts whose settings depend on the methods that are declared."""
