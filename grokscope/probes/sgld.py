"""The local learning coefficient: how much volume there is near a point whose loss is nearly as low.

    lambda(w*) = n beta (E[L(w)] - L(w*)),   beta = 1 / ln n

with w from the localised Gibbs posterior p(w) ~ exp(-n beta L(w) - (gamma / 2) ||w - w*||^2), sampled by stochastic
gradient Langevin dynamics:

    w <- w - (epsilon / 2) (n beta grad L(w) + gamma (w - w*)) + N(0, epsilon)

d / 2 for a minimum that is quadratic in all d directions; less where it is degenerate: 1 / 4 for L = w^4. It
depends on epsilon (too large a step finds too large a value, or diverges) and on gamma (which ties the walk to w*), so
that a value means little without its neighbours: see `grokscope.analysis.dynamics.learning_coefficient`.
Source: Lau et al. 2023 ("The local learning coefficient"), eq. 8 and algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, log, nan

import torch
from jaxtyping import Float
from torch import Tensor

LossAndGradient = Callable[[Float[Tensor, "parameter"]], tuple[float, Float[Tensor, "parameter"]]]
"""Loss (nats) and gradient at a point, on all examples or on a batch drawn anew at each call."""


@dataclass(frozen=True)
class Walk:
    """Settings of the sampler.

    `epsilon`: step size; `gamma`: localisation; `draws`: losses that are averaged, after `burn_in` steps that are
    not; `chains`: independent walks.
    """

    epsilon: float = 1e-5
    gamma: float = 100.0
    draws: int = 200
    burn_in: int = 50
    chains: int = 3

    def __post_init__(self) -> None:
        for name, low in (("epsilon", 0.0), ("gamma", -1e-300)):
            value = getattr(self, name)
            if not (isfinite(value) and value > low):
                raise ValueError(f"walk.{name} = {value!r} is not accepted: use a number > 0 (gamma may be 0)")
        for name, least in (("draws", 1), ("burn_in", 0), ("chains", 1)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ValueError(f"walk.{name} = {value!r} is not accepted: use an integer >= {least}")


@dataclass(frozen=True)
class LearningCoefficient:
    """An estimate: its mean over chains, their standard deviation (NaN for one chain), and each chain's."""

    value: float
    spread: float
    chains: tuple[float, ...]
    diverged: bool
    """Whether a chain's loss stopped being finite; the value is then NaN."""


def learning_coefficient(
    loss_and_gradient: LossAndGradient,
    start: Float[Tensor, "parameter"],
    start_loss: float,
    n: int,
    walk: Walk,
    seed: int = 0,
) -> LearningCoefficient:
    """The local learning coefficient at a point.

    Arguments:
        start: the point w*, a minimum or near one.
        start_loss: L(w*) on all examples.
        n: number of examples that the loss is a mean over, at least 3.
        seed: of the noise.
    """
    if n < 3:
        raise ValueError(f"n = {n} is too few examples: the temperature 1 / ln n needs at least 3")
    n_beta = n / log(n)
    estimates = []
    for chain in range(walk.chains):
        source = torch.Generator(device=start.device).manual_seed(seed * 1_000_003 + chain)
        w, total = start.clone(), 0.0
        for draw in range(walk.burn_in + walk.draws):
            loss, gradient = loss_and_gradient(w)
            if not isfinite(loss):
                total = nan
                break
            if draw >= walk.burn_in:
                total += loss
            drift = n_beta * gradient + walk.gamma * (w - start)
            noise = torch.randn(w.shape, generator=source, dtype=w.dtype, device=w.device)
            w = w - (walk.epsilon / 2) * drift + walk.epsilon**0.5 * noise
        estimates.append(n_beta * (total / walk.draws - start_loss))
    values = torch.tensor(estimates, dtype=torch.float64)
    spread = float(values.std()) if len(estimates) > 1 else nan
    return LearningCoefficient(float(values.mean()), spread, tuple(estimates), any(not isfinite(x) for x in estimates))
