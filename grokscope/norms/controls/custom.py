"""A norm control that a user gives as a callable: `gs.train(config, norm_control=...)`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from grokscope.config.checks import refuse
from grokscope.config.norm_control import NormConfig, declare_control

if TYPE_CHECKING:
    from grokscope.model import Weights
    from grokscope.norms.one_control import Control


@declare_control("custom", switches=("control",), order=200)
class CustomControl(NormConfig):
    """A callable on the weights by name and the step, after all other controls."""

    control: str | None = None
    """The name of a callable that was given as norm_control=, which sets it; left out: none."""

    def check(self) -> None:
        if self.control is not None and not isinstance(self.control, str):
            refuse("norms.control", self.control, "use the name of a callable, which norm_control= sets")

    def build(self, names: Iterable[str], start: Weights | None) -> Control:
        """A control that cannot act: the callable is known to those alone who were given it."""
        from grokscope.norms.called import CalledControl

        return CalledControl(None, str(self.control), ())
