"""The local learning coefficient of the train loss at a few checkpoints, for a grid of the sampler's settings.

*Cost.* A table costs checkpoints * epsilons * gammas * chains * (burn_in + draws) gradients of a minibatch: 3 * 3 * 3 *
2 * 200 = 10,800 by default, 3 minutes for 2 layers of width 128 on one core. It is made when asked for by name only.

*Limits.* The estimate is that of an SGLD walk with a finite step around a point that is no exact minimum, with
minibatch noise on top of the Langevin noise; Lau et al. warn that its absolute value is not to be trusted and
that orders of it are. It is negative where the walk finds a lower loss than it started from, as before the end of
training: the coefficient is one of minima. Too large an epsilon finds too large a value or diverges, too small a one
does not get away from the start, and gamma ties the walk to it. So no value is given without those for other
epsilons and gammas, and values that depend on epsilon are flagged.
Source: Lau et al. 2023 ("The local learning coefficient"), algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.analysis.checkpoint.checkpoint import RunContext, knows_its_split
from grokscope.analysis.checkpoint.over_checkpoints import spread_steps
from grokscope.analysis.dynamics.gradient_entropy import loss_and_gradient
from grokscope.analysis.tables.declared import analysis
from grokscope.model import Weights, trained_names
from grokscope.probes import Walk
from grokscope.probes import learning_coefficient as estimate

if TYPE_CHECKING:
    from grokscope.runs import Run

EPSILONS = (3e-5, 1e-4, 3e-4)
GAMMAS = (100.0, 1000.0, 10000.0)
SENSITIVE = 1.5
"""A value is flagged where that at the next smaller or larger epsilon is more than this many times larger or less."""


@analysis(family="dynamics", version=1, applies_to=knows_its_split, on_request=True)
def learning_coefficient(
    run: Run,
    checkpoints: int = 3,
    epsilons: Sequence[float] = EPSILONS,
    gammas: Sequence[float] = GAMMAS,
    draws: int = 150,
    burn_in: int = 50,
    chains: int = 2,
    batch_size: int | None = 512,
    seed: int = 0,
) -> pd.DataFrame:
    """The local learning coefficient at checkpoints spread over a run, for every epsilon and gamma.

        lambda = n beta (E[L(w)] - L(w*)),   beta = 1 / ln n,   n the number of training examples

    Arguments:
        checkpoints: how many, at least 1, spread evenly over the list of them; the last is always one.
        epsilons, gammas: step sizes and localisations of the walk (`grokscope.probes.Walk`); at least one of each.
        draws, burn_in, chains: of each walk.
        batch_size: examples that each step's gradient and loss are a mean over, drawn with replacement; None: all.
        seed: of batches and noise, 0 or more.

    Returns:
        run, task, arm, seed, step, epsilon, gamma, learning_coefficient (NaN if the walk diverged), spread (standard
        deviation over chains), loss (L(w*), nats), n (training examples), parameters, diverged, negative,
        relaxation (epsilon gamma burn_in / 2: how many relaxation times of the localising force the burn-in is; well
        below 1 the walk may still be leaving the start), sensitive (see `flag_sensitive`).

    The module's docstring says what it costs and what it does not show. Raises ValueError for a network whose train set
    is not known, for settings that the sampler does not accept, and for other arguments that are not as said here.
    """
    _check_count("checkpoints", checkpoints, 1)
    if batch_size is not None:
        _check_count("batch_size", batch_size, 1, "; or None, for all examples")
    _check_count("seed", seed, 0)
    _check_grid(epsilons=epsilons, gammas=gammas)
    walks = [Walk(epsilon, gamma, draws, burn_in, chains) for epsilon, gamma in product(epsilons, gammas)]
    context = RunContext(run)
    steps = run.steps[-1:] if checkpoints == 1 else spread_steps(checkpoints)(run.steps)
    rows = [row for step in steps for row in _at(context, step, walks, batch_size, seed)]
    return flag_sensitive(pd.DataFrame(rows))


def _check_count(name: str, value: object, least: int, otherwise: str = "") -> None:
    """Raise ValueError unless a value is an integer that is large enough."""
    if type(value) is not int or value < least:
        raise ValueError(f"{name} = {value!r} is not accepted: use an integer >= {least}{otherwise}")


def _check_grid(**settings: object) -> None:
    """Raise ValueError unless each is a sequence of numbers and not empty; what numbers are accepted, `Walk` says."""
    for name, values in settings.items():
        listed = list(values) if isinstance(values, Sequence) else []
        if not listed or not all(isinstance(value, Real) for value in listed):
            raise ValueError(f"{name} = {values!r} is not accepted: use a list of at least one number")


def flag_sensitive(table: pd.DataFrame) -> pd.DataFrame:
    """With a column `sensitive`: whether a value depends on the step size more than a measured quantity should.

    Set where the value at the next smaller or the next larger epsilon (same step, same gamma) is more than `SENSITIVE`
    times larger or smaller, has the other sign, or diverged; and where the walk itself did. Where there is one epsilon
    only nothing is known, and the flag is <NA>.
    """
    flags = pd.Series(pd.NA, index=table.index, dtype="boolean")
    for _, of in table.groupby(["step", "gamma"]):
        ordered = of.sort_values("epsilon")
        values = ordered["learning_coefficient"].to_numpy(dtype=float)
        if len(values) < 2:
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = values[1:] / values[:-1]
        # NaN, of a walk that diverged, is in no interval.
        apart = ~((ratio <= SENSITIVE) & (ratio >= 1 / SENSITIVE))
        flags.loc[ordered.index] = np.append(False, apart) | np.append(apart, False)
    return table.assign(sensitive=flags)


def _at(
    context: RunContext,
    step: int,
    walks: Sequence[Walk],
    batch_size: int | None,
    seed: int,
) -> list[dict[str, object]]:
    weights = context.run.weights(step)
    names = trained_names(weights, context.config)
    start = torch.cat([weights[name].flatten() for name in names])
    n = len(context.train)
    start_loss, _ = loss_and_gradient(context, weights, names, context.train)
    rows = []
    for walk in walks:
        # The same batches for every setting, so that settings differ in nothing else.
        at_point = _on_batches(context, weights, names, batch_size, seed)
        coefficient = estimate(at_point, start, start_loss, n, walk, seed)
        rows.append(
            {
                "step": step,
                "epsilon": walk.epsilon,
                "gamma": walk.gamma,
                "learning_coefficient": coefficient.value,
                "spread": coefficient.spread,
                "loss": start_loss,
                "n": n,
                "parameters": len(start),
                "diverged": coefficient.diverged,
                "negative": coefficient.value < 0,
                "relaxation": walk.epsilon * walk.gamma * walk.burn_in / 2,
            }
        )
    return rows


def _on_batches(
    context: RunContext, weights: Weights, names: tuple[str, ...], batch_size: int | None, seed: int
) -> Callable[[Float[Tensor, " parameter"]], tuple[float, Float[Tensor, " parameter"]]]:
    """Loss and gradient at a point, as vectors, on a batch drawn anew at each call."""
    shapes = [weights[name].shape for name in names]
    sizes = [shape.numel() for shape in shapes]
    source = torch.Generator().manual_seed(seed)
    train = context.train

    def at(point: Float[Tensor, " parameter"]) -> tuple[float, Float[Tensor, " parameter"]]:
        parts = zip(names, point.split(sizes), shapes, strict=True)
        here = {**weights, **{name: part.view(shape) for name, part, shape in parts}}
        batch = train if batch_size is None else train[torch.randint(len(train), (batch_size,), generator=source)]
        loss, gradient = loss_and_gradient(context, here, names, batch)
        return loss, torch.cat([gradient[name].flatten() for name in names])

    return at
