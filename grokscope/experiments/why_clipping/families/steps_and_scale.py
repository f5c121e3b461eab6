"""Is it the relative step, or the scale of the logits, or both? Each as in a clipped run, or as in a free one."""

from __future__ import annotations

from itertools import product

from grokscope.experiments.why_clipping.declared import NORMS_FREE, Arm, Settings, declare_family
from grokscope.experiments.why_clipping.families.ends import clipped
from grokscope.experiments.why_clipping.families.spheres import EVERYTHING
from grokscope.experiments.why_clipping.setting import Setting, Traced


@declare_family(number=4, name="relative-step", asks="Is it that steps stay large relative to the weights?")
def relative_step() -> dict[str, Arm]:
    return {
        "relative-step": Arm(
            "no clip; norms are free, and every update grows with the norm of the tensor that it changes",
            lambda setting: {"norms.relative_step": "start"},
        ),
        "relative-step-everything": Arm(
            "the same, of embedding and unembedding too",
            lambda setting: {"norms.relative_step": "start", "norms.relative_step_scope": EVERYTHING},
        ),
    }


def _like(setting: Setting, step: Traced | None, scale: Traced | None) -> Settings:
    """Relative step and scale of the logits as in a traced run, or as they come."""
    settings: Settings = {}
    if step is not None:
        settings |= {"norms.relative_step": "trace", "norms.relative_step_trace": setting.reference(step)}
    return settings | ({"loss.follow": setting.reference(scale)} if scale is not None else {})


@declare_family(
    number=5, name="two-by-two-by-two", asks="Norms, relative step, scale of the logits: which of the three?"
)
def cube() -> dict[str, Arm]:
    """Each of three as in the clipped run or as in the free one; all as clipped is the clip, and none is the free run.

    What an arm has already by its norms is left to itself: the clipped run its own step and scale, the free run its.
    """
    words = {"clip": "as clipped", "free": "as without a clip"}
    arms = {}
    for norms, step, scale in product(("clip", "free"), repeat=3):
        if norms == step == scale:
            continue

        def settings(setting: Setting, norms: str = norms, step: Traced = step, scale: Traced = scale) -> Settings:
            own = clipped(setting) if norms == "clip" else {}
            return own | _like(setting, None if step == norms else step, None if scale == norms else scale)

        follows = tuple(dict.fromkeys(one for one in (step, scale) if one != norms))
        about = f"row norms {words[norms]}, relative step {words[step]}, scale of the logits {words[scale]}"
        arms[f"norms-{norms}-step-{step}-scale-{scale}"] = Arm(about, settings, follows)
    arms[NORMS_FREE] = Arm(
        "no clip; relative step held at that of the start, scale of the logits as in a clipped run",
        lambda setting: {"norms.relative_step": "start", "loss.follow": setting.reference("clip")},
        follows=("clip",),
    )
    return arms
