"""OrthoGrad: of each gradient, the part across the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grokscope.config.gradient import GradientConfig, declare_transform
from grokscope.optimizers.transform import GradientTransform

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from grokscope.model import Weights
    from grokscope.optimizers.flat import FlatParameters


@declare_transform("orthograd")
class OrthoGrad(GradientConfig):
    """OrthoGrad, which has no settings."""

    @property
    def kept_vectors(self) -> int:
        return 0

    def build(self, parameters: FlatParameters, seed: int) -> AcrossTransform:
        return AcrossTransform(parameters)


def across_(gradient: Weights, weights: Weights) -> None:
    """Turn each parameter's gradient across its weights, its norm kept, in place:

        g <- (g - <w, g> / <w, w> w) * ||g|| / ||g - <w, g> / <w, w> w||

    A parameter of zeros keeps its gradient, and a gradient along the weights becomes zero: what is left of it within a
    few roundings is not scaled up.
    Source: Prieto et al. 2025, "Grokking at the edge of numerical stability" (the projection); its code keeps the norm.
    """
    import torch

    for name, g in gradient.items():
        w = weights[name].detach()
        square = torch.linalg.vector_norm(w).square()
        if not square > 0:
            continue
        size = torch.linalg.vector_norm(g)
        g.sub_(w * ((w * g).sum() / square))
        left = torch.linalg.vector_norm(g)
        g.mul_(torch.where(left > 8 * torch.finfo(g.dtype).eps * size, size / left, 0.0))


class AcrossTransform(GradientTransform):
    """`across_` at every step; it remembers nothing."""

    def __init__(self, parameters: FlatParameters) -> None:
        self._parameters = parameters

    def apply_(self, gradient: Float[Tensor, "parameter"]) -> None:
        across_(self._parameters.views(gradient), self._parameters.weights)
