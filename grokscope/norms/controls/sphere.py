"""The sphere: each tensor, or each row, kept at the norm that it has after the projection.

    W <- W r ||W_0|| / ||W||

after every step. The clip bounds norms from above and leaves each row free below; on the sphere norms cannot move at
all, so that what is left of training is the direction of every tensor.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from grokscope.config.checks import choice, positive, scope_entries
from grokscope.config.norm_control import NormConfig, declare_control
from grokscope.config.parameter_groups import Held, Scope, Zeros
from grokscope.norms.one_control import Control

if TYPE_CHECKING:
    from grokscope.model import Weights
    from grokscope.norms.units import Units


@declare_control("sphere", switches=("sphere",), order=50)
class Sphere(NormConfig):
    """Norms held at those of the start."""

    sphere: Held = "none"
    """What keeps its norm: each tensor, or each row."""
    sphere_scope: Scope = ("decoder",)
    """Parameters that do: groups, or patterns of names such as blocks.*.mlp.W_in."""
    sphere_radius: float = 1.0
    """r: the norm that is kept, as a multiple of that after the projection."""
    sphere_zeros: Zeros = "free"
    """What becomes of what is zero after the projection, as the biases of attention and of LayerNorm are: it stays
    free, or is held at zero."""

    def check(self) -> None:
        choice("norms.sphere", self.sphere, Held)
        scope_entries("norms.sphere_scope", self.sphere_scope)
        positive("norms.sphere_radius", self.sphere_radius)
        choice("norms.sphere_zeros", self.sphere_zeros, Zeros)

    def build(self, names: Iterable[str], start: Weights | None) -> NormSphere:
        from grokscope.model import in_scope
        from grokscope.norms.units import units_from

        chosen = in_scope(names, self.sphere_scope, "norms.sphere_scope")
        return NormSphere(units_from(start, chosen, self.sphere, self.sphere_zeros), self.sphere_radius)


class NormSphere(Control):
    """Tensors or rows at a multiple of their norms at the start. Rows that have become zero stay so.

    Arguments:
        units: what keeps its norm; None: the start is not known, and only the projection is made.
        radius: the multiple.
    """

    def __init__(self, units: Units | None, radius: float) -> None:
        self._units, self._radius = units, radius

    def apply_(self, weights: Weights, step: int) -> None:
        if self._units is None:
            raise ValueError("norms.sphere needs the weights at the start: give NormControl its start")
        self._units.hold_(weights, self._radius)
