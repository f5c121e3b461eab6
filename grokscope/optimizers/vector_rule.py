"""Update rules that treat every entry alike, on one vector of all parameters.

They are not optimizers of `torch.optim`'s kind: making one of those imports some 800 modules of torch, a second in
every process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from grokscope.optimizers.rule import Rule

if TYPE_CHECKING:
    from torch import Tensor

    from grokscope.optimizers.flat import FlatParameters


class VectorRule(Rule):
    """A rule with some moments of the gradient, each a vector as long as that of the parameters.

    What it remembers has the names that `torch.optim` gives the moments of its first parameter: `0.exp_avg`.

    Arguments:
        config: its settings.
        parameters: in one vector, with its gradient.
    """

    MOMENTS: ClassVar[tuple[str, ...]] = ()
    """Names of the moments; each starts at zero."""

    def __init__(self, config: Any, parameters: FlatParameters) -> None:
        super().__init__(config)
        self.vector, self.gradient = parameters.vector.detach(), parameters.gradient
        self.moments = {name: self.vector.new_zeros(len(self.vector)) for name in self.MOMENTS}

    def tensors(self) -> dict[str, Tensor]:
        return {f"0.{name}": value for name, value in self.moments.items()}
