"""What a norm control is to those that run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from grokscope.model import Weights


class Control:
    """A norm control at work on some parameters; each method does nothing unless a control has its own."""

    def project_(self, weights: Weights) -> None:
        """Change the weights once, before anything else, in place; what comes out is the start of training."""

    def apply_(self, weights: Weights, step: int) -> None:
        """Control the norms after a step, in place; 0 is before the first."""

    def before_update_(self, weights: Weights, gradient: Weights) -> None:
        """Change weights and gradient after the backward pass, before weight decay and the update rule, in place."""

    def after_update_(self, weights: Weights, before: Weights, step: int) -> None:
        """Change what the update rule made of the weights, in place, before norms are controlled.

        Arguments:
            before: the weights before the step.
            step: the number of the step that is being taken; the first is 1.
        """

    def shrinkages(self, shares: dict[str, float], before: Weights, step: int) -> dict[str, float]:
        """What `after_update_` leaves of the shares of parameters that decoupled weight decay takes away.

        Arguments:
            shares: by parameter.
            before, step: as for `after_update_`.
        """
        return shares

    acts_on_updates = False
    """Whether it has `before_update_` or `after_update_`, which are called only then."""

    last_step: int | None = None
    """The last step that it can act after; None: any."""

    @property
    def row_bounds(self) -> dict[str, float]:
        """The bound on the norm of every row, by parameter, of a control that bounds rows."""
        return {}

    def tensors(self) -> dict[str, Tensor]:
        """What it remembers, by name."""
        return {}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` gave; nothing at all is the memory before the first step."""
        for name, value in self.tensors().items() if tensors else ():
            value.copy_(tensors[name])
