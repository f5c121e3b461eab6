"""The arms that several claims are about, and what every switch of them sets.

Every arm differs from plain Lion (learning rate 1e-3, betas 0.9 and 0.97, no norm control) by the settings given here
or in the module of the claim that declares it. The bound is the published one on row norms: 2 for mul, 1.5 for sub,
1.75 for div, 1 for S5.

Two stages have an arm `lion-clip`, and they are not the same. Here it is Lion with the clip alone, rows left as they
were drawn. In the stage `accelerators` the ending `-clip` stands for projection and clip together, as the source
publishes it; that arm is called `lion-init-clip` here. The names are those of runs that have been published, so they
stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grokscope.experiments.why_clipping.configs import bound
from grokscope.experiments.why_clipping.scale import other_seeds, traced_seeds
from grokscope.experiments.why_clipping.trained import Arms, Settings
from grokscope.experiments.why_clipping.tuning import ADAMW, tuned_settings

if TYPE_CHECKING:
    from grokscope.experiments.why_clipping.study import Study

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

RECORDED_EVERY = 10
"""Steps between the probes that they record."""

IN_LION: dict[str, tuple[str, ...]] = {arm: on[1:] for arm, on in FACTORS.items() if "lion" in on}
"""The same switches within Lion."""
ON_EVERY_SEED = ("adamw", *IN_LION)
"""Of `FACTORS`; the rest, AdamW with projection or clip, is trained on the seeds that are looked into alone."""


def init(bound: float) -> Settings:
    """Every row projected to the bound at the start."""
    return {"norms.init_rows": "all", "norms.init_norm": bound}


def clip(bound: float, scope: list[str] | None = None) -> Settings:
    """Rows clipped to the bound after every step: those of the decoder, or of some parameter groups."""
    return {"norms.max_norm": bound} | ({} if scope is None else {"norms.scope": scope})


def factorial(bound: float, adamw: Settings) -> dict[str, Settings]:
    """Settings of the arms of `FACTORS`; `adamw` holds those that were tuned."""
    arms: dict[str, dict[str, Any]] = {}
    for name, on in FACTORS.items():
        arms[name] = {} if "lion" in on else ADAMW | adamw
        arms[name] |= (init(bound) if "init" in on else {}) | (clip(bound) if "clip" in on else {})
    return arms


def _looked_into(study: Study, task: str) -> dict[str, Settings]:
    arms = factorial(bound(study.scale, task), tuned_settings(study)["adamw"])
    return {
        arm: settings
        | {"checkpoints.schedule": "dense" if arm in DENSE else "ends", "probes.record_every": RECORDED_EVERY}
        for arm, settings in arms.items()
    }


def _timed(study: Study, task: str) -> dict[str, Settings]:
    arms = factorial(bound(study.scale, task), tuned_settings(study)["adamw"])
    return {arm: settings for arm, settings in arms.items() if arm in ON_EVERY_SEED}


SHARED = (
    Arms(_looked_into, traced_seeds, "looked into"),
    Arms(_timed, other_seeds, "on the other seeds"),
)
"""The factorial arms: all of them on the seeds that are looked into, those of `ON_EVERY_SEED` on the others."""
