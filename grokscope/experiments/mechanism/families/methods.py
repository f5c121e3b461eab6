"""Do other optimizers gain from the same thing, and does a standard residual?"""

from __future__ import annotations

from grokscope.experiments.mechanism.declared import Arm, Settings, declare_family
from grokscope.experiments.mechanism.families.ends import clipped

ADAMW: Settings = {"optimizer.name": "adamw", "optimizer.betas": (0.9, 0.98), "optimizer.lr": 3e-3}
MUON: Settings = {
    "optimizer.name": "muon",
    "optimizer.lr": 0.02,
    "optimizer.momentum": 0.95,
    "optimizer.adam_lr": 1e-3,
    "optimizer.betas": (0.9, 0.98),
}
SPHERE: Settings = {"norms.sphere": "tensors"}


def _arms(name: str, words: str, changed: Settings) -> dict[str, Arm]:
    against, baseline = f"{name}-clip", f"{name}-free"
    return {
        baseline: Arm(f"{words}, projection alone", lambda setting: changed, against=against, baseline=baseline),
        f"{name}-sphere": Arm(
            f"{words}, every tensor on the sphere",
            lambda setting: changed | SPHERE,
            against=against,
            baseline=baseline,
        ),
        against: Arm(
            f"{words}, projection and clip",
            lambda setting: changed | clipped(setting),
            against=against,
            baseline=baseline,
        ),
    }


@declare_family(number=13, name="optimizers", asks="Does it act in other optimizers, and is weight decay the same?")
def optimizers() -> dict[str, Arm]:
    return {
        **_arms("adamw", "AdamW at learning rate 3e-3 without decay", ADAMW),
        "adamw-decay": Arm(
            "AdamW at learning rate 3e-3 with decay 1, projection alone",
            lambda setting: ADAMW | {"optimizer.weight_decay": 1.0},
            against="adamw-clip",
            baseline="adamw-free",
        ),
        **_arms("muon", "Muon at learning rate 0.02", MUON),
    }


@declare_family(number=14, name="residual", asks="Is it there with a standard residual?", tasks=("mul", "s5"))
def residual() -> dict[str, Arm]:
    return _arms("pre-ln", "standard residual", {"model.residual": "pre_ln"})
