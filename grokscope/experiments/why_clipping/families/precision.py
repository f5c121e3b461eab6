"""Is it float32, in which the softmax of large logits collapses? Both ends in float64, and with StableMax."""

from __future__ import annotations

from grokscope.experiments.why_clipping.declared import Arm, Settings, declare_family
from grokscope.experiments.why_clipping.families.ends import clipped

FEW = 3
"""Seeds: a step in float64 costs twice as much, and nothing depends on a fine difference."""
EXACT: dict[str, tuple[str, Settings]] = {
    "float64": ("in float64", {"model.dtype": "float64"}),
    "stablemax": ("with StableMax in place of softmax", {"loss.name": "stablemax"}),
}


@declare_family(number=17, name="precision", asks="Is it float32, in which a softmax of large logits collapses?")
def precision() -> dict[str, Arm]:
    arms = {}
    for name, (words, exact) in EXACT.items():
        arms[f"{name}-free"] = Arm(f"projection alone, {words}", lambda setting, exact=exact: exact, n_seeds=FEW)
        arms[f"{name}-clip"] = Arm(
            f"projection and clip, {words}", lambda setting, exact=exact: exact | clipped(setting), n_seeds=FEW
        )
    return arms
