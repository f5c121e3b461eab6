"""Grokfast: slow gradients, by an average with or without a window, are added to each gradient.

Source: Lee et al. 2024, "Grokfast: accelerated grokking by amplifying slow gradients".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grokscope.config.checks import integer, number
from grokscope.config.gradient import GradientConfig, declare_transform
from grokscope.optimizers.transform import GradientTransform

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from grokscope.optimizers.flat import FlatParameters


@declare_transform("grokfast_ema")
class GrokfastEMA(GradientConfig):
    """Grokfast-EMA: an exponential average."""

    SLOW_FACTOR = 2.0

    lamb: float | None = None
    """lambda, how much of the slow gradient is added; left out: 2 (EMA), 5 (MA)."""
    alpha: float = 0.98
    """Momentum of the average."""

    def check(self) -> None:
        _check_lamb(self.lamb)
        number("gradient.alpha", self.alpha, 0.0, 1.0, open_low=False, open_high=True)

    @property
    def slow_factor(self) -> float:
        """lambda: given, or the default of this kind of average."""
        return self.SLOW_FACTOR if self.lamb is None else self.lamb

    def build(self, parameters: FlatParameters, seed: int) -> AverageTransform:
        return AverageTransform(self.alpha, self.slow_factor)


@declare_transform("grokfast_ma")
class GrokfastMA(GradientConfig):
    """Grokfast-MA: the mean over a window of steps."""

    SLOW_FACTOR = 5.0

    lamb: float | None = None
    """lambda, how much of the slow gradient is added; left out: 2 (EMA), 5 (MA)."""
    window: int = 100
    """Steps in the average."""

    def check(self) -> None:
        _check_lamb(self.lamb)
        integer("gradient.window", self.window, 1)

    @property
    def slow_factor(self) -> float:
        """lambda: given, or the default of this kind of average."""
        return self.SLOW_FACTOR if self.lamb is None else self.lamb

    @property
    def kept_vectors(self) -> int:
        return self.window + 2  # gradients, and their sum in float64

    def build(self, parameters: FlatParameters, seed: int) -> WindowTransform:
        return WindowTransform(parameters, self.window, self.slow_factor)


def _check_lamb(lamb: float | None) -> None:
    if lamb is not None:
        number("gradient.lamb", lamb, 0.0, open_low=False)


class AverageTransform(GradientTransform):
    """h <- alpha h + (1 - alpha) g with h_0 = g_0;  g <- g + lamb h.

    Source: Lee et al. 2024, "Grokfast", section 3 and its code (which starts the average at the first gradient).
    """

    def __init__(self, alpha: float, lamb: float) -> None:
        self._alpha, self._lamb = alpha, lamb
        self._average: Tensor | None = None

    def apply_(self, gradient: Float[Tensor, "parameter"]) -> None:
        if self._average is None:
            self._average = gradient.clone()
        else:
            self._average.mul_(self._alpha).add_(gradient, alpha=1 - self._alpha)
        gradient.add_(self._average, alpha=self._lamb)

    def tensors(self) -> dict[str, Tensor]:
        return {} if self._average is None else {"average": self._average}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        self._average = tensors["average"].clone() if tensors else None


class WindowTransform(GradientTransform):
    """g <- g + lamb mean(g of the last `window` steps, this one included), once there are so many.

    The sum is kept in float64, one gradient added and one taken off a step, which drifts by parts in 1e16.
    Source: Lee et al. 2024, "Grokfast", section 2 and its code (with its warm-up, the default).
    """

    def __init__(self, parameters: FlatParameters, window: int, lamb: float) -> None:
        import torch

        vector = parameters.vector.detach()
        self._lamb = lamb
        self._window = torch.zeros((window, len(vector)), dtype=vector.dtype, device=vector.device)
        self._sum = torch.zeros_like(vector, dtype=torch.float64)
        self._seen = torch.zeros((), dtype=torch.int64)

    def apply_(self, gradient: Float[Tensor, "parameter"]) -> None:
        size, seen = len(self._window), int(self._seen)
        oldest = self._window[seen % size]
        self._sum.sub_(oldest).add_(gradient)
        oldest.copy_(gradient)
        self._seen.add_(1)
        if seen + 1 >= size:
            gradient.add_(self._sum.to(gradient.dtype), alpha=self._lamb / size)

    def tensors(self) -> dict[str, Tensor]:
        return {"window": self._window, "sum": self._sum, "seen": self._seen}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        for name, value in self.tensors().items():
            value.copy_(tensors[name])
