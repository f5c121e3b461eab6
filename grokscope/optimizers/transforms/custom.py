"""A gradient transform that a user gives as a callable: `gs.train(config, transform=...)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from grokscope.config.checks import refuse
from grokscope.config.gradient import GradientConfig, declare_transform
from grokscope.optimizers.transform import GradientTransform

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from grokscope.optimizers.flat import FlatParameters


@declare_transform("custom")
class CustomTransform(GradientConfig):
    """A callable on the gradients by name and the step, the first is 1."""

    function: str = ""
    """The name of the callable, which is set by giving it as transform=."""

    def check(self) -> None:
        if not isinstance(self.function, str):
            refuse("gradient.function", self.function, "use the name of a callable, which transform= sets")

    def build(
        self, parameters: FlatParameters, seed: int, function: Callable[..., Any] | None = None
    ) -> CalledTransform:
        if function is None:
            refuse("gradient.name", self.name, "use it with a callable: gs.train(config, transform=function)")
        return CalledTransform(parameters, function)


class CalledTransform(GradientTransform):
    """The callable at work: it changes the gradients in place, or returns them (see `grokscope.norms.called`).

    Arguments:
        parameters: whose gradient it is.
        function: takes gradients by name and the step.
    """

    def __init__(self, parameters: FlatParameters, function: Callable[..., Any]) -> None:
        import torch

        self._parameters, self._function = parameters, function
        self._steps = torch.zeros((), dtype=torch.int64)

    def begin_after(self, step: int) -> None:
        self._steps.fill_(step)

    def apply_(self, gradient: Float[Tensor, "parameter"]) -> None:
        from grokscope.norms.called import call_

        self._steps.add_(1)
        call_("transform", self._function, self._parameters.views(gradient), int(self._steps))

    def tensors(self) -> dict[str, Tensor]:
        from grokscope.norms.called import memory_of

        return {"steps": self._steps, **memory_of("transform", self._function)}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        from grokscope.norms.called import remember

        self._steps.copy_(tensors["steps"])
        remember(self._function, {name: value for name, value in tensors.items() if name != "steps"})
