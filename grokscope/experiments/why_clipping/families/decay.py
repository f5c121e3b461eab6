"""Does weight decay do the same, if it is strong enough, or if every group has the rate that the clip has?"""

from __future__ import annotations

import numpy as np

from grokscope.config import preset
from grokscope.experiments.why_clipping.declared import Arm, Settings, declare_family
from grokscope.experiments.why_clipping.setting import Setting
from grokscope.model import Trace, in_scope

RATES = (0.3, 1.0, 3.0, 10.0, 20.0, 40.0)
GROUPS = ("attention", "mlp", "ln", "ln_final", "pos_embed", "biases")
"""Of the decoder: what the clip binds."""


def decayed(rate: float) -> Settings:
    """Constant decoupled decay of what the clip binds."""
    return {
        "optimizer.weight_decay": rate,
        "optimizer.decay_form": "decoupled",
        "optimizer.decay_scope": GROUPS,
    }


def removal(trace: Trace, group: str, lr: float) -> float:
    """The constant rate of decoupled decay that takes as much of a group's norm as the clip of a trace did.

    - mean over steps of ln(||W after|| / ||W updated||) / lr, of the group's parameters together.
    """
    columns = [trace.column(name) for name in in_scope(trace.names, (group,))]
    joint = [np.sqrt(np.square(norms[:, columns]).sum(1)) for norms in (trace.after, trace.updated)]
    return float(-np.log(joint[0] / joint[1]).mean()) / lr


def _as_clipped(setting: Setting) -> Settings:
    lr = preset(f"{setting.task}-lion-clip").optimizer.lr
    rates = {
        group: setting.measured(f"decay of {group}", lambda group=group: removal(setting.trace("clip"), group, lr))
        for group in GROUPS
    }
    return {
        "optimizer.group_decay": tuple((group, rate) for group, rate in rates.items() if rate > 0),
        "optimizer.decay_form": "decoupled",
    }


@declare_family(number=7, name="decay", asks="Does constant weight decay do the same?")
def decay() -> dict[str, Arm]:
    return {
        "decay-tuned": Arm(
            "no clip; constant decoupled decay of the decoder, its rate tuned on other seeds",
            lambda setting: decayed(setting.best("decay")),
        ),
        "decay-as-clip": Arm(
            "no clip; constant decoupled decay, every group at the mean rate at which the clip removes its norm",
            _as_clipped,
        ),
    }
