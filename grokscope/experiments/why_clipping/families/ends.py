"""The two ends of the ladder: the published method, and the same run without its clip."""

from __future__ import annotations

from grokscope.experiments.why_clipping.declared import CLIP, FREE, Arm, declare_family
from grokscope.experiments.why_clipping.setting import Setting
from grokscope.experiments.why_clipping.tasks import BUDGETS


def clipped(setting: Setting) -> dict[str, object]:
    """The published clip."""
    return {"norms.max_norm": setting.bound}


@declare_family(number=0, name="ends", asks="How much is there to explain?", tasks=tuple(BUDGETS))
def ends() -> dict[str, Arm]:
    return {
        CLIP: Arm("projection and clip, as published", clipped),
        FREE: Arm("projection alone", lambda setting: {}),
    }
