"""What is done to the gradient before the update rule sees it.

The transforms and their settings are declared in `grokscope.optimizers.transforms`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, dataclass_transform

from grokscope.config.methods import NamedMethod, declare_named


@dataclass(frozen=True)
class GradientConfig(NamedMethod):
    """The gradient transform: a subclass with the settings that it reads, declared by `declare_transform`."""

    SECTION: ClassVar[str] = "gradient"

    name: str = "none"

    def __post_init__(self) -> None:
        self.check()

    @property
    def held_back(self) -> float | None:
        """The share of the training set that the transform itself learns on; None: it does not learn."""
        return None

    @property
    def trains_on_held_back(self) -> bool:
        """Whether those examples are trained on too."""
        return False

    @property
    def kept_vectors(self) -> int:
        """How many vectors, as long as that of all trained parameters, the transform keeps from step to step, for
        estimates of memory and disk: one, where a transform says nothing else."""
        return 1

    @property
    def passing_vectors(self) -> int:
        """How many more it makes in a step and lets go."""
        return 1

    def extra_evaluations(self, steps: int) -> int:
        """Gradients that the transform asks for in so many steps, beside that of each step."""
        return 0

    def build(self, parameters: Any, seed: int) -> Any:
        """The transform, a `grokscope.optimizers.GradientTransform`, of the gradient of a
        `grokscope.optimizers.FlatParameters`; None: the gradient is left as it is."""
        raise NotImplementedError(f"{type(self).__name__} does not say how its transform is built")


Transform = TypeVar("Transform", bound=type[GradientConfig])


@dataclass_transform(frozen_default=True)
def declare_transform(*names: str) -> Callable[[Transform], Transform]:
    """Declare the settings of a gradient transform, a subclass of `GradientConfig`, under the names that choose it."""
    return lambda kind: declare_named(kind, names)
