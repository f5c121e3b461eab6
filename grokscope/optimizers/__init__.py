"""Update rules, and what is done to the gradient before them.

build       optimizers and gradient transforms by config, warm-up
state       an optimizer's memory as named tensors
flat        all trained parameters in one vector
signsgd     the sign of the gradient
muon        orthogonalised momentum for matrices, Adam for the rest
scion       steepest descent in the norm of each parameter, clipped or not, constrained or not
lmo         those norms: their balls and directions
orthogonal  Newton-Schulz
decay       weight decay on chosen groups, decoupled or in the gradient
transforms  Grokfast and OrthoGrad
neuralgrok  a learned amplifier of gradients
piecewise   its network as the piecewise linear function that it is
closure     the loss once more, for a step that is given one
angular     holding the angle that rows turn per step
"""

from grokscope.optimizers.angular import hold_angular_step_
from grokscope.optimizers.build import (
    apply_settings,
    build_optimizer,
    build_transform,
    learning_rate,
    set_learning_rate,
    start_inside_,
)
from grokscope.optimizers.decay import WeightDecay
from grokscope.optimizers.flat import FlatParameters
from grokscope.optimizers.muon import Muon
from grokscope.optimizers.neuralgrok import NeuralGrok
from grokscope.optimizers.scion import Scion
from grokscope.optimizers.signsgd import SignSGD
from grokscope.optimizers.state import optimizer_tensors, restore_optimizer
from grokscope.optimizers.transforms import GradientTransform, GrokfastEMA, GrokfastMA, OrthoGrad

__all__ = [
    "FlatParameters",
    "GradientTransform",
    "GrokfastEMA",
    "GrokfastMA",
    "Muon",
    "NeuralGrok",
    "OrthoGrad",
    "Scion",
    "SignSGD",
    "WeightDecay",
    "apply_settings",
    "build_optimizer",
    "build_transform",
    "hold_angular_step_",
    "learning_rate",
    "optimizer_tensors",
    "restore_optimizer",
    "set_learning_rate",
    "start_inside_",
]
