"""The growing sphere: weight normalisation with a fixed gain.

The network computes with w = v n / ||v||, where n is the norm at the start; the update rule moves v, which is free and
grows. Nothing is ever forgotten, and the relative step shrinks as 1 / ||v||. With s = ||v|| / n and P the projection on
what is orthogonal to w,

    v = s w,      gradient of v = P(gradient of w) / s,      v' = v + update,      s' = ||v'|| / n,      w' = v' / s'

A checkpoint holds w, which is the network; s is the memory of the control. Gradient transforms see the gradient of w,
weight decay and the update rule see v.
Source: Salimans & Kingma 2016, "Weight normalization".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from grokscope.config.checks import choice, scope_entries
from grokscope.config.norm_control import NormConfig, declare_control
from grokscope.config.parameter_groups import Held, Scope, Zeros
from grokscope.norms.one_control import Control

if TYPE_CHECKING:
    from torch import Tensor

    from grokscope.model import Weights
    from grokscope.norms.units import Units


@declare_control("growing sphere", switches=("growing_sphere",), order=5)
class GrowingSphere(NormConfig):
    """Weights normalised to the norms of the start, of parameters that grow."""

    FIXED = ("growing_sphere", "growing_sphere_scope", "growing_sphere_zeros")

    growing_sphere: Held = "none"
    """What is normalised: each tensor, or each row."""
    growing_sphere_scope: Scope = ("decoder",)
    """Parameters that are: groups, or patterns of names such as blocks.*.mlp.W_in."""
    growing_sphere_zeros: Zeros = "free"
    """What becomes of what is zero after the projection, as the biases of attention and of LayerNorm are: it stays
    free, or is held at zero."""

    def check(self) -> None:
        choice("norms.growing_sphere", self.growing_sphere, Held)
        scope_entries("norms.growing_sphere_scope", self.growing_sphere_scope)
        choice("norms.growing_sphere_zeros", self.growing_sphere_zeros, Zeros)

    def build(self, names: Iterable[str], start: Weights | None) -> NormalisedWeights:
        from grokscope.model import in_scope
        from grokscope.norms.units import units_from

        chosen = in_scope(names, self.growing_sphere_scope, "norms.growing_sphere_scope")
        return NormalisedWeights(units_from(start, chosen, self.growing_sphere, self.growing_sphere_zeros))


class NormalisedWeights(Control):
    """Weights w of parameters v = s w that the update rule moves.

    Arguments:
        units: what is normalised; None: the start is not known, and only the projection is made.
    """

    acts_on_updates = True

    def __init__(self, units: Units | None) -> None:
        self._units = units
        self._scales: list[Tensor] = [] if units is None else [norm.new_ones(norm.shape) for norm in units.start]

    def before_update_(self, weights: Weights, gradient: Weights) -> None:
        units = self._known
        squares = [norm.square() for norm in units.norms(weights)]
        for bundle, square, scale in zip(units.bundles, squares, self._scales, strict=True):
            inner = _inner(weights, gradient, bundle, square)
            along = inner / square.where(square > 0, 1.0)
            for name in bundle:
                w, g = weights[name].detach(), gradient[name]
                g.addcmul_(w, along, value=-1.0).div_(scale)
                w.mul_(scale)

    def after_update_(self, weights: Weights, before: Weights, step: int) -> None:
        units = self._known
        self._keep(units.growth(weights))
        for value, scale in units.tensors(weights, self._scales):
            value.div_(scale)
        units.hold_zeros_(weights)

    def shrinkages(self, shares: dict[str, float], before: Weights, step: int) -> dict[str, float]:
        # Decay shortens v, and w keeps its norm.
        normalised = {name for bundle in self._known.bundles for name in bundle}
        return {name: share for name, share in shares.items() if name not in normalised}

    def _keep(self, scales: Iterable[Tensor]) -> None:
        for kept, scale in zip(self._scales, scales, strict=True):
            kept.copy_(scale)

    @property
    def _known(self) -> Units:
        if self._units is None:
            raise ValueError("norms.growing_sphere needs the weights at the start: give NormControl its start")
        return self._units

    def tensors(self) -> dict[str, Tensor]:
        """s of every tensor, or of its rows."""
        return {} if self._units is None else {b[0]: s for b, s in zip(self._units.bundles, self._scales, strict=True)}


def _inner(weights: Weights, gradient: Weights, bundle: tuple[str, ...], like: Tensor) -> Tensor:
    """The inner product of weights and gradient in each unit, in the shape of its norm."""
    from grokscope.norms.rows import row_dims

    parts = []
    for name in bundle:
        product = weights[name].detach() * gradient[name]
        total = product.sum() if like.ndim == 0 else product.sum(row_dims(name), keepdim=True).reshape(like.shape)
        parts.append(total)
    return sum(parts[1:], parts[0])
