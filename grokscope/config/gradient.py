"""What is done to the gradient before the update rule sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from grokscope.config.checks import averaging_pair, boolean, choice, integer, number, positive, refuse

TransformName = Literal["none", "grokfast_ema", "grokfast_ma", "neuralgrok", "orthograd"]
Amplifier = Literal["trained", "frozen", "normalise"]

_LAMB = {"grokfast_ema": 2.0, "grokfast_ma": 5.0}


@dataclass(frozen=True)
class GradientConfig:
    """A gradient transform. The outer settings are those of neuralgrok."""

    name: TransformName = "none"
    """grokfast_ema, grokfast_ma: slow gradients amplified. neuralgrok: a learned amplifier. orthograd: the part
    across the weights."""
    alpha: float = 0.98
    """Momentum of grokfast_ema's average."""
    lamb: float | None = None
    """Grokfast's lambda, how much of the slow gradient is added; left out: 2 (EMA), 5 (MA)."""
    window: int = 100
    """Steps in grokfast_ma's average."""
    amplifier: Amplifier = "trained"
    """Controls of neuralgrok. frozen: the amplifier stays as drawn. normalise: none, gradients are only scaled."""
    amplifier_width: int = 128
    """Width of the amplifier's two hidden layers."""
    amplifier_scale: float = 0.2
    """c: norm of every parameter's amplified gradient."""
    amplifier_lr: float = 1e-4
    amplifier_betas: tuple[float, float] = (0.9, 0.98)
    amplifier_weight_decay: float = 1e-3
    """L2, in the gradient."""
    clip_norm: float = 1.0
    """Upper bound on the joint norm of neuralgrok's gradients."""
    outer_fraction: float = 0.02
    """Share of the training set that neuralgrok holds back to train the amplifier on."""
    outer_every: int = 4
    """Steps between the amplifier's."""
    merge_outer: bool = False
    """Control of neuralgrok: train on the outer examples too."""

    def __post_init__(self) -> None:
        choice("gradient.name", self.name, TransformName)
        number("gradient.alpha", self.alpha, 0.0, 1.0, open_low=False, open_high=True)
        if self.lamb is not None:
            number("gradient.lamb", self.lamb, 0.0, open_low=False, open_high=True)
            if self.name not in _LAMB:
                refuse("gradient.lamb", self.lamb, f"only grokfast_ema and grokfast_ma have it, not {self.name}")
        integer("gradient.window", self.window, 1)
        choice("gradient.amplifier", self.amplifier, Amplifier)
        integer("gradient.amplifier_width", self.amplifier_width, 1)
        for name in ("amplifier_scale", "amplifier_lr", "clip_norm"):
            positive(f"gradient.{name}", getattr(self, name))
        averaging_pair("gradient.amplifier_betas", self.amplifier_betas)
        number("gradient.amplifier_weight_decay", self.amplifier_weight_decay, 0.0, open_low=False, open_high=True)
        number("gradient.outer_fraction", self.outer_fraction, 0.0, 1.0, open_low=True, open_high=True)
        integer("gradient.outer_every", self.outer_every, 1)
        boolean("gradient.merge_outer", self.merge_outer)
        if self.name != "neuralgrok":
            for name, plain in (("amplifier", "trained"), ("merge_outer", False)):
                if getattr(self, name) != plain:
                    refuse(f"gradient.{name}", getattr(self, name), f"only neuralgrok has it, not {self.name}")

    @property
    def slow_factor(self) -> float:
        """Grokfast's lambda: given, or the default of its kind of average."""
        return _LAMB[self.name] if self.lamb is None else self.lamb

    @property
    def trains_amplifier(self) -> bool:
        """Whether there are outer steps."""
        return self.name == "neuralgrok" and self.amplifier == "trained"

    @property
    def holds_back(self) -> bool:
        """Whether the outer examples are left out of training."""
        return self.name == "neuralgrok" and not self.merge_outer
