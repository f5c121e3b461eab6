"""Import every module of a package, so that each declares what it holds."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module


@cache
def import_modules(package: str) -> None:
    """Import all modules of a package, in the order of their names."""
    for module in pkgutil.iter_modules(import_module(package).__path__, f"{package}."):
        import_module(module.name)
