"""Do other optimizers gain from the same thing, and does a standard residual?"""

from __future__ import annotations

from grokscope.experiments.why_clipping.declared import Arm, Settings, declare_family
from grokscope.experiments.why_clipping.families.ends import clipped

ADAMW: Settings = {"optimizer.name": "adamw", "optimizer.betas": (0.9, 0.98), "optimizer.lr": 3e-3}
MUON: Settings = {
    "optimizer.name": "muon",
    "optimizer.lr": 0.02,
    "optimizer.momentum": 0.95,
    "optimizer.adam_lr": 1e-3,
    "optimizer.betas": (0.9, 0.98),
}
_LMO = (("embed", "col_norm"), ("pos_embed", "col_norm"), ("unembed", "sign"))
SCION: Settings = {
    "optimizer.name": "unconstrained_scion",
    "optimizer.lr": 5e-3,
    "optimizer.radius": 1.0,
    "optimizer.group_radius": (("unembed", 20.0),),
    "optimizer.group_lmo": _LMO,
}
CONSTRAINED_SCION: Settings = {
    "optimizer.name": "scion",
    "optimizer.lr": 5e-3,
    "optimizer.radius": 3.0,
    "optimizer.group_lmo": _LMO,
    "optimizer.group_radius": (("embed", 1.0), ("ln", 1.0), ("ln_final", 1.0), ("unembed", 60.0)),
}
"""As in the presets of accelerators: it keeps every matrix in a ball by itself."""
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
        "muon-decay": Arm(
            "Muon at learning rate 0.02 with decay 1, projection alone",
            lambda setting: MUON | {"optimizer.weight_decay": 1.0},
            against="muon-clip",
            baseline="muon-free",
        ),
        **_arms("scion", "unconstrained Scion at learning rate 5e-3", SCION),
        "scion-constrained": Arm(
            "Scion, which keeps matrices in a ball by itself, at learning rate 5e-3, projection alone",
            lambda setting: CONSTRAINED_SCION,
            against="scion-clip",
            baseline="scion-free",
        ),
    }


@declare_family(number=14, name="residual", asks="Is it there with a standard residual?", tasks=("mul", "s5"))
def residual() -> dict[str, Arm]:
    return _arms("pre-ln", "standard residual", {"model.residual": "pre_ln"})
