"""Must it go on, or is once enough? A clip for one step or some, a shrink by as much, the final gain alone."""

from __future__ import annotations

import numpy as np

from grokscope.experiments.why_clipping.declared import Arm, Settings, declare_family
from grokscope.experiments.why_clipping.families.ends import clipped
from grokscope.experiments.why_clipping.setting import Setting
from grokscope.model import in_scope

STEPS = (100, 200, 400)
FROM = 200
LENGTHS = (25, 100)


def _window(first: int, last: int) -> Arm:
    about = f"clipped after step {first} alone" if first == last else f"clipped from step {first} to {last} alone"
    return Arm(about, lambda setting: clipped(setting) | {"norms.from_step": first, "norms.until_step": last})


def _shrunk(step: int) -> Arm:
    def ratio(setting: Setting) -> float:
        """Joint norm of the decoder at a step, clipped relative to free."""
        norms = []
        for of in ("clip", "free"):
            trace = setting.trace(of)
            columns = [trace.column(name) for name in in_scope(trace.names, ("decoder",))]
            norms.append(float(np.sqrt(np.square(trace.after[min(step, len(trace)) - 1, columns]).sum())))
        return norms[0] / norms[1]

    def settings(setting: Setting) -> Settings:
        factor = setting.measured(f"shrink at {step}", lambda: ratio(setting))
        return {"norms.shrink_step": step, "norms.shrink_factor": factor}

    return Arm(f"after step {step} the decoder is scaled down once, to the joint norm of a clipped run", settings)


@declare_family(number=8, name="one-shot", asks="Must the clip go on, or is once enough?")
def one_shot() -> dict[str, Arm]:
    arms = {f"clip-at-{step}": _window(step, step) for step in STEPS}
    arms |= {f"clip-{FROM}-for-{length}": _window(FROM, FROM + length - 1) for length in LENGTHS}
    arms |= {f"shrink-at-{step}": _shrunk(step) for step in STEPS}
    arms["clip-final-gain"] = Arm(
        "the final gain alone is clipped", lambda setting: clipped(setting) | {"norms.scope": ("ln_final",)}
    )
    return arms
