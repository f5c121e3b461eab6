"""A table in, a matplotlib `Figure` out; nothing is computed here that a table should hold.

Figures are in rooms, a module for each: `circuit`, `cosets`, `dynamics`, `timing`. Beside them, `style` has the look
that they share, `files` writes one as PNG, PDF and CSV, and `plates` lets a figure declare its place in a report.
Every figure function can be had from here by its name; a module is imported when one of its figures is asked for.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
