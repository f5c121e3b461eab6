"""Import every module of a package, so that each declares what it holds.

Analyses, plates, methods, experiments and families of arms are each declared in a module of their own. Whoever wants
all of them has the modules imported and looks at what was declared.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module


@cache
def import_modules(package: str, *, and_inner: bool = False) -> None:
    """Import all modules of a package, in the order of their names, once.

    Arguments:
        package: its name in full.
        and_inner: also those of the packages in it.
    """
    modules = pkgutil.walk_packages if and_inner else pkgutil.iter_modules
    for module in modules(import_module(package).__path__, f"{package}."):
        import_module(module.name)
