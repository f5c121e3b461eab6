"""From a config to an optimizer, its learning rate at each step, and its state as named tensors."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.config import OptimizerConfig
from grokscope.optimizers.signsgd import SignSGD


def build_optimizer(config: OptimizerConfig, vector: Float[Tensor, "parameter"]) -> torch.optim.Optimizer:
    """The library's update rule of that name (torch.optim, lion-pytorch) on one vector of parameters.

    Weight decay is decoupled for AdamW and Lion (w <- (1 - lr * weight_decay) w) and added to the gradient
    for Adam and SGD.
    """
    if config.name == "signsgd":
        return SignSGD([vector], lr=config.lr)
    if config.name == "lion":
        from lion_pytorch import Lion

        return Lion([vector], lr=config.lr, betas=config.betas, weight_decay=config.weight_decay)
    if config.name == "sgd":
        return torch.optim.SGD(
            [vector], lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay, fused=True
        )
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    return kind([vector], lr=config.lr, betas=config.betas, weight_decay=config.weight_decay, fused=True)


def learning_rate(config: OptimizerConfig, step: int) -> float:
    """Rate of step 1, 2, ...: lr * min(1, step / warmup_steps).

    The published clipping code counts from 0, so that its first step does nothing; ours is one step ahead.
    """
    return config.lr * min(1.0, step / max(1, config.warmup_steps))


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Use `lr` for the next step, in every group."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What the optimizer remembers, as `INDEX.NAME` -> tensor: index of the parameter, name of the moment."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": value if isinstance(value, Tensor) else torch.tensor(value)
        for index, moments in state.items()
        for name, value in moments.items()
        if value is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
