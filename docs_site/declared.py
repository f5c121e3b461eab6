"""What this package declares. Others may have declared more in this process, which is not for its pages."""

from __future__ import annotations

from typing import Any

from grokscope.analysis import analyses
from grokscope.analysis.tables.declared import Analysis
from grokscope.config.methods import methods
from grokscope.figures.plates import DeclaredPlate, plates


def own_analyses() -> dict[str, Analysis]:
    """The analyses of this package by name, in the order of tables."""
    return {name: one for name, one in analyses().items() if is_own(one.source)}


def own_plates() -> dict[str, DeclaredPlate]:
    """The plates of this package by name, in the order in which a section has them."""
    return {name: one for name, one in plates().items() if is_own(one.figure)}


def own_methods(section: str) -> dict[str, Any]:
    """The methods of a section of a config that this package declares, by name."""
    return {name: one for name, one in methods(section).items() if is_own(one)}


def condition(analysis: Analysis) -> str:
    """What an analysis asks of a run: the first line of what the function says that decides it."""
    return (analysis._applies_to.__doc__ or "").strip().partition("\n")[0]


def is_own(declared: Any) -> bool:
    """Whether a function or a class is defined in a module of this package."""
    return str(declared.__module__).startswith("grokscope.")
