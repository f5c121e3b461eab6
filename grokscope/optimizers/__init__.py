"""Update rules.

build    optimizers by config, warm-up, state as named tensors
signsgd  the sign of the gradient
flat     all trained parameters in one vector
angular  holding the angle that rows turn per step
"""

from grokscope.optimizers.angular import hold_angular_step_
from grokscope.optimizers.build import (
    build_optimizer,
    learning_rate,
    optimizer_tensors,
    restore_optimizer,
    set_learning_rate,
)
from grokscope.optimizers.flat import FlatParameters
from grokscope.optimizers.signsgd import SignSGD

__all__ = [
    "FlatParameters",
    "SignSGD",
    "build_optimizer",
    "hold_angular_step_",
    "learning_rate",
    "optimizer_tensors",
    "restore_optimizer",
    "set_learning_rate",
]
