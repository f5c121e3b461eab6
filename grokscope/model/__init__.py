"""The network: the one place that touches TransformerLens.

parameters  names, shapes, groups and scopes of parameters
matrices    a parameter as the matrix [out, in] that it multiplies by
build       the network of a config as TransformerLens has it, with or without weights
lens_settings  an architecture in the words of TransformerLens
initial     freshly drawn weights
trace       norms and spread of logits of a run, step by step, for others to follow
blocks      for TransformerLens 3.9: the `normed` block, and an embedding with a deterministic backward
bridge      for TransformerLens 4: the network as a `TransformerBridge`
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
