"""What is minimised.

The losses are declared in `grokscope.engine.losses`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar, dataclass_transform

from grokscope.config.checks import positive, trace_reference
from grokscope.config.methods import NamedMethod, declare_named

if TYPE_CHECKING:
    from torch import Tensor

Reduction = Literal["mean", "sum", "none"]


@dataclass(frozen=True)
class LossConfig(NamedMethod):
    """What is minimised, and reported as train and validation loss: a subclass declared by `declare_loss`."""

    SECTION: ClassVar[str] = "loss"
    UNIT: ClassVar[str] = "nats"
    """What train and validation loss are counted in."""

    name: str = "cross_entropy"
    temperature: float = 1.0
    """tau: logits are divided by it before the loss."""

    follow: str | None = None
    """The trace of a run, PATH@SHA256 (`Trace.save`): in training, the logits of every batch are scaled to the standard
    deviation that the other run's had at that step, by a factor without gradient. Losses that are evaluated are those
    of the network as it is."""

    def __post_init__(self) -> None:
        positive("loss.temperature", self.temperature)
        if self.follow is not None:
            trace_reference("loss.follow", self.follow)
        self.check()

    def value(self, logits: Tensor, labels: Tensor, reduction: Reduction) -> Tensor:
        """The loss, in `UNIT`, of logits [example, answer] that the temperature has divided, at labels [example]."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its loss is")


Loss = TypeVar("Loss", bound=type[LossConfig])


@dataclass_transform(frozen_default=True)
def declare_loss(*names: str) -> Callable[[Loss], Loss]:
    """Declare a loss, a subclass of `LossConfig`, under the names that choose it."""
    return lambda kind: declare_named(kind, names)
