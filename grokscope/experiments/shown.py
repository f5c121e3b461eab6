"""A section of a page of results, as its template takes it."""

from __future__ import annotations

from dataclasses import dataclass

from grokscope.figures.plates import Plate
from grokscope.report import Table


@dataclass(frozen=True)
class Shown:
    """What one part of an experiment shows."""

    name: str
    """Its anchor, and what `--only` takes."""
    title: str
    about: str
    sentences: tuple[str, ...]
    plates: tuple[Plate, ...]
    table: Table
    missing: tuple[str, ...]
    """Names of the runs that have not ended."""
