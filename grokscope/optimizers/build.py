"""From a config to an optimizer and a gradient transform, and the learning rate of each step."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch

from grokscope.config import SCIONS, GradientConfig, OptimizerConfig
from grokscope.model import Weights
from grokscope.optimizers.decay import decays_itself
from grokscope.optimizers.flat import FlatParameters
from grokscope.optimizers.muon import Muon
from grokscope.optimizers.neuralgrok import NeuralGrok
from grokscope.optimizers.scion import Scion, balls, into_balls_
from grokscope.optimizers.signsgd import SignSGD
from grokscope.optimizers.transforms import GradientTransform, GrokfastEMA, GrokfastMA, OrthoGrad

_SETTINGS = {field.name for field in fields(OptimizerConfig)} - {"name", "lr"}


def build_optimizer(config: OptimizerConfig, parameters: FlatParameters) -> torch.optim.Optimizer:
    """The update rule of that name: torch.optim's, lion-pytorch's, or ours.

    Weight decay that the library's rules do not do in the form or on the groups that are asked for is
    `WeightDecay`'s, and theirs is switched off.
    """
    vector, decay = parameters.vector, _own_decay(config)
    if config.name == "signsgd":
        return SignSGD([vector], lr=config.lr)
    if config.name == "lion":
        from lion_pytorch import Lion

        return Lion([vector], lr=config.lr, betas=config.betas, weight_decay=decay)
    if config.name == "sgd":
        return torch.optim.SGD([vector], lr=config.lr, momentum=config.momentum, weight_decay=decay, fused=True)
    if config.name == "muon":
        return Muon(parameters, config.lr, config.momentum, config.betas, config.adam_lr, config.heads)
    if config.name in SCIONS:
        return Scion(
            parameters,
            balls(config, parameters.names),
            config.lr,
            config.averaging,
            config.rho if "clipped" in config.name else None,
            constrained=_is_constrained(config),
        )
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    return kind([vector], lr=config.lr, betas=config.betas, weight_decay=decay, fused=True)


def start_inside_(weights: Weights, config: OptimizerConfig, names: tuple[str, ...]) -> None:
    """Scale parameters outside their balls onto the edge, in place, where the update rule is to keep them inside."""
    if config.name in SCIONS and _is_constrained(config):
        into_balls_(weights, balls(config, names).values())


def build_transform(config: GradientConfig, parameters: FlatParameters, seed: int) -> GradientTransform | None:
    """The gradient transform of that name; None for none. The seed draws neuralgrok's amplifier."""
    if config.name == "grokfast_ema":
        return GrokfastEMA(config.alpha, config.slow_factor)
    if config.name == "grokfast_ma":
        return GrokfastMA(parameters, config.window, config.slow_factor)
    if config.name == "orthograd":
        return OrthoGrad(parameters)
    return NeuralGrok(config, parameters, seed) if config.name == "neuralgrok" else None


def learning_rate(config: OptimizerConfig, step: int) -> float:
    """Rate of step 1, 2, ...: lr * min(1, step / warmup_steps).

    The published clipping code counts from 0, so that its first step does nothing; ours is one step ahead.
    """
    return config.lr * min(1.0, step / max(1, config.warmup_steps))


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Use `lr` for the next step, in every group."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def apply_settings(optimizer: torch.optim.Optimizer, config: OptimizerConfig) -> None:
    """Go on with another config of the same update rule; its learning rate is set step by step."""
    for group in optimizer.param_groups:
        known: dict[str, Any] = {name: getattr(config, name) for name in _SETTINGS & group.keys()}
        if known.get("rho") is not None and group["rho"] is None:
            known["rho"] = None
        if "weight_decay" in known:
            known["weight_decay"] = _own_decay(config)
        if "rate" in group:
            known["rate"] = 1.0 if config.adam_lr is None else config.adam_lr / config.lr
        group |= known


def _own_decay(config: OptimizerConfig) -> float:
    return config.weight_decay if decays_itself(config) else 0.0


def _is_constrained(config: OptimizerConfig) -> bool:
    return not config.name.startswith("unconstrained")
