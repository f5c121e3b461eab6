"""Norms of weights, and control of them.

rows      which entries are a row; norms of rows and of parameter groups, and statistics; project and clip rows
cap       a bound on a norm of every matrix
control   what a config does with them: at the start, and after every step
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
