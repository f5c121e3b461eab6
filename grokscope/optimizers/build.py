"""From a config to an update rule and a gradient transform, and the learning rate of each step."""

from __future__ import annotations

from grokscope.config import GradientConfig, OptimizerConfig
from grokscope.optimizers.flat import FlatParameters
from grokscope.optimizers.rule import Rule
from grokscope.optimizers.transform import GradientTransform


def build_optimizer(config: OptimizerConfig, parameters: FlatParameters) -> Rule:
    """The update rule of a config. Weight decay that the rule does not do by itself is `WeightDecay`'s."""
    return config.build(parameters)


def build_transform(config: GradientConfig, parameters: FlatParameters, seed: int) -> GradientTransform | None:
    """The gradient transform of a config; None for none. The seed draws what the transform draws."""
    return config.build(parameters, seed)


def learning_rate(config: OptimizerConfig, step: int) -> float:
    """Rate of step 1, 2, ...: lr * min(1, step / warmup_steps).

    The published clipping code counts from 0, so that its first step does nothing; ours is one step ahead.
    """
    return config.lr * min(1.0, step / max(1, config.warmup_steps))
