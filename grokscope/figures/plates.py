"""Plates: a figure says in its own module what it draws, under which caption, and in which section of a report.

    @plate(section="circuit", table="restricted_loss", of={"basis": "own", "set": "hindsight"}, caption="Loss of ...")
    def circuit_losses(table: pd.DataFrame, milestones: pd.DataFrame) -> Figure: ...

The function stays as it is, and can be called with any table. A report shows the figures of this package and those that
were declared elsewhere before the report was built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from math import inf
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import pandas as pd
from matplotlib.figure import Figure

from grokscope.analysis.tables import select
from grokscope.collecting import import_modules
from grokscope.figures.files import check_figure_name

if TYPE_CHECKING:
    from grokscope.runs import Run

ShownRuns = Literal["one of each arm", "all"]
Draw = TypeVar("Draw", bound=Callable[..., Figure])

FIRST_OF_EACH_ARM = "Of each arm one run is shown, the first that grokked. "
"""Stands in the caption of the first plate of a section that shows one run of each arm."""

TALLEST = 17.0
"""Inches: a figure has at most two screens of 900 pixels, at 100 pixels an inch, with some room for its caption."""
HALVED = ("layer", "operation", "run")
"""Columns of a table by which a figure that is too tall is halved: runs are compared, so they are told apart last."""


@dataclass(frozen=True)
class Plate:
    """A figure with the table that it draws and its caption."""

    name: str
    """File name without ending, unique on its page."""
    figure: Figure
    table: pd.DataFrame
    caption: str


@dataclass(frozen=True)
class DeclaredPlate:
    """What a figure function draws, and where a report shows it."""

    name: str
    figure: Callable[..., Figure]
    section: str
    """Name of a section of the report."""
    tables: tuple[str, ...]
    """Names of analyses. The first that all shown runs have is drawn; if there is none, the last one, for those runs
    that have it."""
    part: Callable[..., pd.DataFrame]
    """The part of the table that is drawn."""
    caption: Callable[[pd.DataFrame], str]
    runs: ShownRuns
    by_run: bool
    """Whether each run has a figure of its own."""
    needs_every_run: bool
    """Whether there is no figure unless all shown runs have the analysis."""
    place: float
    """Where the plate stands in its section: small numbers come first."""

    def draw(self, table: pd.DataFrame, milestones: pd.DataFrame, runs: Sequence[Run]) -> list[Plate]:
        """The plates of a table: one of all runs, or one of each; none where the table has nothing to draw.

        A figure that would be taller than two screens is several, of some layers (operations, runs) each.

        Args:
            table: of one of the analyses `tables`.
            milestones: of `grokscope.analysis.milestones`, for the shown runs.
            runs: the shown runs.
        """
        if self.by_run:
            tables = [(select.where(table, run=run.name), {"milestones": milestones, "run": run}) for run in runs]
        else:
            tables = [(table, {"milestones": milestones})]
        parts = [(call_with(self.part, of_runs, known), known) for of_runs, known in tables]
        drawn = [each for part, known in parts if len(part) for each in self._fitting(part, known)]
        # The names are numbered, for the name of a run need not be one that a file can have.
        names = [self.name] if len(drawn) == 1 else [f"{self.name}_{number}" for number in range(1, len(drawn) + 1)]
        return [
            Plate(name, figure, part, self.caption(part)) for name, (figure, part) in zip(names, drawn, strict=True)
        ]

    def _fitting(self, part: pd.DataFrame, known: Mapping[str, Any]) -> list[tuple[Figure, pd.DataFrame]]:
        """The figure of a part of the table; where it is too tall, those of its halves, which are parts themselves."""
        figure = call_with(self.figure, part, known)
        column = next((name for name in HALVED if name in part.columns and len(part[name].unique()) > 1), None)
        if column is None or figure.get_figheight() <= TALLEST:
            return [(figure, part)]
        values = list(part[column].unique())
        middle = -(-len(values) // 2)
        halves = [part.loc[part[column].isin(half)] for half in (values[:middle], values[middle:])]
        return [each for half in halves for each in self._fitting(half, known)]


_declared: dict[str, DeclaredPlate] = {}


def plate(
    *,
    section: str,
    table: str | tuple[str, ...],
    caption: str | Callable[[pd.DataFrame], str],
    of: Mapping[str, object] | Callable[..., pd.DataFrame] | None = None,
    runs: ShownRuns = "one of each arm",
    by_run: bool = False,
    needs_every_run: bool = False,
    place: float = inf,
    name: str | None = None,
) -> Callable[[Draw], Draw]:
    """Declare the plate of a figure function.

    Args:
        section: name of the section of a report that shows the plate (see `grokscope.report.SECTIONS`).
        table: name of the analysis that is drawn. Of several names, the first that every shown run has.
        caption: the text, or a function of the part of the table that is drawn.
        of: the part of the table that is drawn: values of columns, or a function of the table. Left out: all of it.
            Where nothing is left of the table, there is no figure.
        runs: which runs of the section are shown: `one of each arm` (the first that grokked), or `all`.
        by_run: draw a figure for each of these runs, and not one for all.
        needs_every_run: draw no figure unless every shown run has the analysis.
        place: where the plate stands in its section; small numbers come first. Left out: last.
        name: of the plate and of its files. Left out: the name of the function.

    The figure function is called with the table. If it, or the function `of`, has a parameter named `milestones`, it
    gets the milestones of the shown runs; with `by_run`, a parameter named `run` gets the run.

    Raises ValueError for a value that is not accepted, and for a second plate of one name.
    """
    if runs not in get_args(ShownRuns):
        raise ValueError(f"runs = {runs!r} is not accepted: use {' or '.join(map(repr, get_args(ShownRuns)))}")
    tables = (table,) if isinstance(table, str) else tuple(table)
    if not tables:
        raise ValueError("table = () is not accepted: name the analysis that the figure draws")

    def declare(figure: Draw) -> Draw:
        key = check_figure_name(name or figure.__name__)
        other = _declared.get(key)
        if other is not None and _origin(other.figure) != _origin(figure):
            raise ValueError(
                f"plate {key!r} is declared by {_origin(other.figure)} and by {_origin(figure)}: "
                "give one of them another name"
            )
        _declared[key] = DeclaredPlate(
            key, figure, section, tables, _part(of), _caption(caption), runs, by_run, needs_every_run, place
        )
        return figure

    return declare


def plates() -> dict[str, DeclaredPlate]:
    """Every declared plate by name, in the order in which plates of one section stand.

    Imports every module of this package; plates of other modules are here once their module has been imported.
    """
    import_modules("grokscope.figures", and_inner=True)
    return {name: _declared[name] for name in sorted(_declared, key=lambda name: (_declared[name].place, name))}


def call_with(function: Callable[..., Any], table: pd.DataFrame, known: Mapping[str, object]) -> Any:
    """Call a function with a table, and with those of the known values that it has a parameter for."""
    accepted = signature(function).parameters
    return function(table, **{name: value for name, value in known.items() if name in accepted})


def _part(of: Mapping[str, object] | Callable[..., pd.DataFrame] | None) -> Callable[..., pd.DataFrame]:
    if callable(of):
        return of
    keys = dict(of or {})
    return lambda table: select.where(table, **keys)


def _caption(caption: str | Callable[[pd.DataFrame], str]) -> Callable[[pd.DataFrame], str]:
    return (lambda table: caption) if isinstance(caption, str) else caption


def _origin(function: Callable[..., object]) -> str:
    return f"{function.__module__}.{function.__qualname__}"
