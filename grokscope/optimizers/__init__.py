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

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
