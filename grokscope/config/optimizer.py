"""The update rule of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from grokscope.config.checks import (
    averaging_pair,
    choice,
    group_choices,
    group_names,
    group_values,
    integer,
    number,
    positive,
    refuse,
)
from grokscope.config.parameter_groups import GroupLmos, GroupName, GroupValues, Heads, LmoName

OptimizerName = Literal[
    "adam",
    "adamw",
    "sgd",
    "lion",
    "signsgd",
    "muon",
    "scion",
    "unconstrained_scion",
    "clipped_scion",
    "unconstrained_clipped_scion",
]
DecayForm = Literal["own", "decoupled", "l2"]
OWN_DECAY: dict[str, DecayForm] = {
    "adam": "l2",
    "sgd": "l2",
    "adamw": "decoupled",
    "lion": "decoupled",
    "muon": "decoupled",
}
"""The form that weight decay has in the optimizers that come with one."""
SCIONS = ("scion", "unconstrained_scion", "clipped_scion", "unconstrained_clipped_scion")


@dataclass(frozen=True)
class OptimizerConfig:
    """The update rule."""

    name: OptimizerName = "lion"
    lr: float = 1e-3
    """Learning rate after the warm-up."""
    betas: tuple[float, float] = (0.9, 0.97)
    """Averaging coefficients of Lion and Adam(W), and of the Adam beside Muon."""
    momentum: float = 0.0
    """Momentum of SGD and Muon."""
    weight_decay: float = 0.0
    """Strength of weight decay, in the form that `decay_form` says."""
    decay_form: DecayForm = "own"
    """decoupled: w <- w - lr * weight_decay * w. l2: weight_decay * w joins the gradient. own: decoupled for AdamW,
    Lion and Muon, l2 for Adam and SGD."""
    decay_scope: tuple[GroupName, ...] = get_args(GroupName)
    """Parameter groups that decay: by default all."""
    warmup_steps: int = 10
    """The learning rate of step t is lr * min(1, t / warmup_steps), t = 1, 2, ..."""
    angular_step: GroupValues = ()
    """Radians that the rows of a group turn per step, on average: each update of the group is scaled to that."""
    heads: Heads = "joined"
    """Muon and Scion: attention matrices of all heads together, or of each head."""
    adam_lr: float | None = None
    """Muon: learning rate of Adam, for embeddings, unembedding and vectors; left out: `lr`."""
    averaging: float = 0.1
    """Scion: alpha, the weight of the newest gradient in the average d <- alpha g + (1 - alpha) d."""
    rho: float = 1.0
    """Clipped Scion: threshold on sum_l <d_l, v_l>, above which the step's length is the learning rate."""
    radius: float = 1.0
    """Scion: radius of every parameter's ball."""
    group_radius: GroupValues = ()
    """Scion: radii for some groups of their own."""
    group_lmo: GroupLmos = ()
    """Scion: norms for some groups; auto, for all others, is spectral for matrices and bias_rms for vectors."""

    def __post_init__(self) -> None:
        choice("optimizer.name", self.name, OptimizerName)
        positive("optimizer.lr", self.lr)
        averaging_pair("optimizer.betas", self.betas)
        number("optimizer.momentum", self.momentum, 0.0, 1.0, open_low=False, open_high=True)
        if self.name not in ("sgd", "muon") and self.momentum > 0:
            refuse("optimizer.momentum", self.momentum, f"only sgd and muon have it; use 0 with {self.name}")
        self._check_decay()
        integer("optimizer.warmup_steps", self.warmup_steps, 0)
        group_values("optimizer.angular_step", self.angular_step, get_args(GroupName))
        choice("optimizer.heads", self.heads, Heads)
        self._check_muon()
        self._check_scion()

    def _check_decay(self) -> None:
        number("optimizer.weight_decay", self.weight_decay, 0.0, open_low=False, open_high=True)
        choice("optimizer.decay_form", self.decay_form, DecayForm)
        group_names("optimizer.decay_scope", self.decay_scope, GroupName)
        if self.weight_decay > 0 and self.decay_form == "own" and self.name not in OWN_DECAY:
            refuse(
                "optimizer.weight_decay",
                self.weight_decay,
                f"{self.name} has none of its own; use 0, or set optimizer.decay_form to decoupled or l2",
            )

    def _check_muon(self) -> None:
        if self.adam_lr is not None:
            positive("optimizer.adam_lr", self.adam_lr)
            if self.name != "muon":
                refuse("optimizer.adam_lr", self.adam_lr, f"only muon has it, not {self.name}")

    def _check_scion(self) -> None:
        number("optimizer.averaging", self.averaging, 0.0, 1.0, open_low=True, open_high=False)
        positive("optimizer.rho", self.rho)
        positive("optimizer.radius", self.radius)
        group_values("optimizer.group_radius", self.group_radius, get_args(GroupName))
        group_choices("optimizer.group_lmo", self.group_lmo, get_args(GroupName), get_args(LmoName))
        vectors = ("ln", "ln_final", "biases")
        for group, lmo in self.group_lmo:
            suits = ("auto", "bias_rms") if group in vectors else ("auto", "spectral", "sign", "col_norm", "row_norm")
            if lmo not in suits:
                refuse(f"optimizer.group_lmo of {group}", lmo, f"use one of {', '.join(suits)}")
        if self.name in ("scion", "clipped_scion") and self.lr > 1:
            refuse(
                "optimizer.lr", self.lr, f"{self.name} steps from the weights towards the ball's edge; use at most 1"
            )

    @property
    def decay(self) -> DecayForm:
        """The form of weight decay, decoupled or l2."""
        return OWN_DECAY.get(self.name, "decoupled") if self.decay_form == "own" else self.decay_form
