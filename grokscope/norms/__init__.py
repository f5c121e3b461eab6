"""Norms of weights, and control of them.

rows      which entries are a row; norms of rows and of parameter groups, and statistics; project and clip rows
units     tensors or rows that are held to their norms at the start
controls  projection, clip, cap, clamp, sphere and others, a module each
called    a user's callable on named tensors, and its memory
one_control
          what a norm control is to those that run it
control   the controls of a config together: at the start, and after every step
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
