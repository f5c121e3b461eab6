"""No gradient transform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grokscope.config.gradient import GradientConfig, declare_transform

if TYPE_CHECKING:
    from grokscope.optimizers.flat import FlatParameters


@declare_transform("none")
class NoTransform(GradientConfig):
    """The gradient is left as it is."""

    @property
    def kept_vectors(self) -> int:
        return 0

    def build(self, parameters: FlatParameters, seed: int) -> None:
        return None
