"""Is it the shrinking, whatever the norms are? The factors of a clipped run of another seed, without a clip."""

from __future__ import annotations

from typing import get_args

from grokscope.experiments.why_clipping.declared import Arm, declare_family
from grokscope.norms.controls.replay import ReplayForm

ABOUT = {
    "tensor": "no clip; every tensor is shrunk as in a clipped run of another seed, step by step",
    "all": "no clip; all tensors are shrunk by one factor a step, that of a clipped run of another seed",
    "tensor_mean": "no clip; every tensor is shrunk by one constant factor, the mean of a clipped run of another seed",
    "all_mean": "no clip; all tensors are shrunk by one constant factor",
}


@declare_family(number=1, name="replay", asks="Is it the shrinking, whatever the norms are?")
def replay() -> dict[str, Arm]:
    def arm(form: ReplayForm) -> Arm:
        return Arm(
            ABOUT[form],
            lambda setting: {"norms.replay": setting.reference("clip"), "norms.replay_form": form},
            follows=("clip",),
        )

    return {f"replay-{form.replace('_', '-')}": arm(form) for form in get_args(ReplayForm)}
