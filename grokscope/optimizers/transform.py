"""What a trainer needs of a gradient transform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


class Gradients(Protocol):
    """Gradients that a transform may ask for after a step."""

    def __call__(
        self, examples: Literal["batch", "held back"], at: Float[Tensor, "parameter"] | None = None
    ) -> Float[Tensor, "parameter"]:
        """The gradient of the mean loss on the step's batch or on the examples that were held back for the transform.

        Arguments:
            at: the weights, one vector; None: those after the step and norm control.
        """
        ...


class GradientTransform:
    """Works in place on the gradient of all trained parameters, one vector; its memory is tensors by name."""

    def begin_after(self, step: int) -> None:
        """Training begins after a step that is not 0, without a memory: of use to what counts steps."""

    def apply_(self, gradient: Float[Tensor, "parameter"]) -> None:
        """Transform the gradient of the step that is being taken, in place."""
        raise NotImplementedError

    def after_step(self, step: int, lr: float, gradients: Gradients) -> None:
        """Learn after a step, the first is 1, that was taken at a learning rate: most transforms do not."""

    def tensors(self) -> dict[str, Tensor]:
        """What it remembers, by name."""
        return {}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` gave."""
