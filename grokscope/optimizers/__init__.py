"""Update rules, and what is done to the gradient before them.

rules       the update rules, a module each
transforms  the gradient transforms, a module each
rule        what a trainer needs of an update rule
transform   what a trainer needs of a gradient transform
build       rules and transforms by config, warm-up
vector_rule  rules that treat every entry alike
loops       updates of rules as compiled loops
library     an optimizer of torch.optim's kind as a rule
called      an optimizer that a user's callable makes, as a rule
flat        all trained parameters in one vector
stacked     those of several networks in one vector
lmo         norms of parameters: their balls and directions
orthogonal  Newton-Schulz
decay       weight decay on chosen groups, decoupled or in the gradient
piecewise   a network of one number as the piecewise linear function that it is
rates       learning rates of groups of their own
update      what all of it does in a step, in its order
angular     holding the angle that rows turn per step
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
