"""From a config to an update rule and a gradient transform, and the learning rate of each step."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi
from typing import Any

from grokscope.config import GradientConfig, OptimizerConfig
from grokscope.optimizers.flat import FlatParameters
from grokscope.optimizers.rule import Rule
from grokscope.optimizers.rules.custom import Custom
from grokscope.optimizers.transform import GradientTransform
from grokscope.optimizers.transforms.custom import CustomTransform


def build_optimizer(
    config: OptimizerConfig, parameters: FlatParameters, factory: Callable[..., Any] | None = None
) -> Rule:
    """The update rule of a config. Weight decay that the rule does not do by itself is `WeightDecay`'s.

    `factory`: the callable that the config names, if it names one.
    """
    return config.build(parameters, factory) if isinstance(config, Custom) else config.build(parameters)


def build_transform(
    config: GradientConfig, parameters: FlatParameters, seed: int, function: Callable[..., Any] | None = None
) -> GradientTransform | None:
    """The gradient transform of a config; None for none. The seed draws what the transform draws.

    `function`: the callable that the config names, if it names one.
    """
    if isinstance(config, CustomTransform):
        return config.build(parameters, seed, function)
    return config.build(parameters, seed)


def learning_rate(config: OptimizerConfig, step: int, budget: int) -> float:
    """Rate of step 1, 2, ...: lr * min(1, step / warmup_steps), times the schedule's share from there.

    With k steps since the warm-up was over (0 at its last step, or at step 1 without one), of n in all:

        constant   1
        linear     c + end (1 - c),   c = 1 - k / n                    k at most n
        cosine     c + end (1 - c),   c = (1 + cos(pi k / n)) / 2
        step       step_factor^(k // step_every)

    n counts up to the end of the schedule, `schedule_steps`, and one step more: the last step still moves, and the one
    after it has lr * end. That is `torch.optim.lr_scheduler` with total_iters or T_max = n.
    The published clipping code counts from 0, so that its first step does nothing; ours is one step ahead.

    Arguments:
        config: rate, warm-up and schedule.
        step: the step whose rate is asked for.
        budget: steps of the whole training, where the schedule has no end of its own.
    """
    warm = max(1, config.warmup_steps)
    rate = config.lr * min(1.0, step / warm)
    if config.schedule == "constant":
        return rate
    since = max(0, step - warm)
    if config.schedule == "step":
        return rate * config.step_factor ** (since // config.step_every)
    last = budget if config.schedule_steps is None else config.schedule_steps
    done = min(1.0, since / max(1, last - warm + 1))
    kept = 1 - done if config.schedule == "linear" else (1 + cos(pi * done)) / 2
    return rate * (kept + config.schedule_end * (1 - kept))
