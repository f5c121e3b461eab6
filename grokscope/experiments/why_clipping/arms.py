"""The arms of the experiment: what each switches, on which tasks.

Every arm differs from plain Lion (learning rate 1e-3, betas 0.9 and 0.97, no norm control) by the settings given here.
The bound is the published one on row norms: 2 for mul, 1.5 for sub, 1.75 for div, 1 for S5.
"""

from __future__ import annotations

from typing import Any

Settings = dict[str, Any]

HEADLINE, BASELINE = "lion-init-clip", "lion"
"""The published method, and the same optimizer without it."""

FACTORS: dict[str, tuple[str, ...]] = {
    "adamw": (),
    "adamw-init": ("init",),
    "adamw-clip": ("clip",),
    "adamw-init-clip": ("init", "clip"),
    "lion": ("lion",),
    "lion-init": ("lion", "init"),
    "lion-clip": ("lion", "clip"),
    "lion-init-clip": ("lion", "init", "clip"),
}
"""Every combination of three switches, and which are on. AdamW has its tuned learning rate and weight decay."""

DENSE = (BASELINE, HEADLINE)
"""Arms whose first seeds keep dense checkpoints; those of all of `FACTORS` record probes."""

PUBLISHED_ADAMW = "adamw-published"
"""The baseline that the source compares with: learning rate 1e-3, weight decay 0.01."""
IN_LION: dict[str, tuple[str, ...]] = {arm: on[1:] for arm, on in FACTORS.items() if "lion" in on}
"""The same switches within Lion."""
ON_EVERY_SEED = ("adamw", *IN_LION)
"""Of `FACTORS`; the rest, AdamW with projection or clip, is trained on the seeds that are looked into alone."""
ADAMW: Settings = {"optimizer.name": "adamw", "optimizer.betas": [0.9, 0.98]}
DOSES = (0.5, 0.75, 1.25, 1.5)
"""Bounds, relative to the published one."""
SWITCHED_ON = (100, 200, 400, 800, 1600)
SWITCHED_OFF = (25, 50, 100, 200, 400)
CLAMPS = (0.6, 0.8, 1.0, 1.2)
"""Joint norms of all weight matrices, relative to what it is where unclipped runs begin to generalise."""
GAINS = ["ln", "ln_final"]
ALL_BUT_GAINS = ["attention", "mlp", "pos_embed", "biases"]


def init(bound: float) -> Settings:
    """Every row projected at the start."""
    return {"norms.init_rows": "all", "norms.init_norm": bound}


def clip(bound: float, scope: list[str] | None = None) -> Settings:
    """Rows clipped after every step: of the decoder, or of some groups."""
    return {"norms.max_norm": bound} | ({} if scope is None else {"norms.scope": scope})


def factorial(bound: float, adamw: Settings) -> dict[str, Settings]:
    """The arms of `FACTORS`; `adamw` holds what was tuned."""
    found = {}
    for name, on in FACTORS.items():
        found[name] = {} if "lion" in on else ADAMW | adamw
        found[name] |= (init(bound) if "init" in on else {}) | (clip(bound) if "clip" in on else {})
    return found


def doses(bound: float) -> dict[str, Settings]:
    """Projection and clip at other bounds."""
    return {f"dose-{dose:g}": init(bound * dose) | clip(bound * dose) for dose in DOSES}


def on_main(bound: float, d_model: int) -> dict[str, Settings]:
    """Arms on the main task alone. `on-K` is plain Lion up to step K, `off-K` the published method up to it.

    A LayerNorm gain of ones has norm sqrt(d_model); a clip shrinks it, and with the last one the logits, to the bound.
    `temperature` shrinks the logits as much without a clip, `clip-untempered` undoes that of a clip.
    """
    shrinkage = max(d_model**0.5 / bound, 1.0)
    whole = init(bound) | clip(bound)
    return {
        PUBLISHED_ADAMW: ADAMW | {"optimizer.weight_decay": 0.01},
        "temperature": {"loss.temperature": shrinkage},
        "clip-untempered": whole | {"loss.temperature": 1 / shrinkage},
        "scope-ln_final": clip(bound, ["ln_final"]),
        "scope-without-gains": clip(bound, ALL_BUT_GAINS),
        "scope-gains": clip(bound, GAINS),
        "scope-matrices": clip(bound, ["attention", "mlp"]),
        "init-scope-gains": init(bound) | clip(bound, GAINS),
        "init-scope-without-gains": init(bound) | clip(bound, ALL_BUT_GAINS),
        "lion-float64": {"model.dtype": "float64"},
        "lion-init-clip-float64": whole | {"model.dtype": "float64"},
        "lion-stablemax": {"loss.name": "stablemax"},
        "lion-init-clip-stablemax": whole | {"loss.name": "stablemax"},
        **{f"on-{step}": clip(bound) | {"norms.from_step": step} for step in SWITCHED_ON},
        **{f"off-{step}": whole | {"norms.until_step": step} for step in SWITCHED_OFF},
    }


Grid = dict[str, tuple[float, ...]]


def grids(bound: float) -> dict[str, tuple[Settings, Grid]]:
    """Settings of each arm that is tuned, and the values tried: grids of equal size, on the main task."""
    rates = (3e-4, 1e-3, 3e-3)
    return {
        "adamw": (ADAMW, {"optimizer.lr": rates, "optimizer.weight_decay": (0.1, 1.0, 3.0)}),
        "lion": ({}, {"optimizer.lr": rates, "optimizer.weight_decay": (0.0, 0.1, 1.0)}),
        "clip": (init(bound), {"optimizer.lr": rates, "norms.max_norm": (0.75 * bound, bound, 1.25 * bound)}),
    }
