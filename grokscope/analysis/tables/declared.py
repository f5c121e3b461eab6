"""Analyses, each declared where it is defined, and all of them collected.

    @analysis(family="circuit", version=1, needs=("keys",), applies_to=has_group)
    def answer_share(run: Run) -> pd.DataFrame:
        \"\"\"What share of ... (the first line is what `grokscope analyze --list` prints).\"\"\"

makes `answer_share` an `Analysis`: a function of one run or several whose tables are kept, and which `run_all` and the
command line know by its name. `over_checkpoints` (in `grokscope.analysis.checkpoint`) does the same for a function of
one checkpoint, and `over_runs` for a function of several runs together.

Whoever needs all analyses asks `analyses`, which imports every module of this package. An analysis in a module of a
user's own is there as soon as that module has been imported.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from functools import lru_cache, update_wrapper
from importlib import import_module
from typing import TYPE_CHECKING, Concatenate, Generic, ParamSpec, TypeVar

from grokscope.analysis.tables.cache import Dependence, KeptTables, Source
from grokscope.analysis.tables.identity import as_list, of_runs
from grokscope.analysis.tables.source import source_digest
from grokscope.collecting import import_modules

if TYPE_CHECKING:
    import pandas as pd

    from grokscope.runs import Run

P = ParamSpec("P")
A = TypeVar("A", bound="Analysis")
PACKAGE = "grokscope.analysis"
FAMILIES = ("fourier", "subgroups", "dynamics", "timing")
"""The families of this package, in the order of tables. A user's own come after them."""


def every_run(run: Run) -> bool:
    """Every run."""
    return True


class Analysis(Generic[P]):
    """A declared analysis: a function of one run or several.

    Arguments are those of `analysis`; `function` makes the table of one run, and `source` is the function that the
    analysis's module defines, if it is another.
    """

    def __init__(
        self,
        function: Callable[Concatenate[Run, P], pd.DataFrame],
        *,
        family: str,
        version: int,
        needs: Sequence[str] = (),
        applies_to: Callable[[Run], bool] = every_run,
        reads: tuple[Source, ...] = ("checkpoints",),
        on_request: bool = False,
        keep: bool = True,
        source: Callable[..., object] | None = None,
    ) -> None:
        self.function, self.source = function, source or function
        self.family, self.version, self.needs, self.reads = family, version, tuple(needs), reads
        self.on_request, self._applies_to = on_request, applies_to
        update_wrapper(self, self.source)
        self.name: str = self.source.__name__
        self.home = f"{self.source.__module__}.{self.source.__qualname__}"
        """Where it is defined."""
        self.tables = KeptTables(function, version, self.name, self.depends_on) if keep else None
        """None where nothing is kept."""

    def __call__(self, runs: Run | Sequence[Run], /, *args: P.args, **kwargs: P.kwargs) -> pd.DataFrame:
        """The table of one run or several. Raises ValueError for no runs, and for two of one name."""
        return of_runs(runs, lambda run: (self.tables or self.function)(run, *args, **kwargs))

    def __repr__(self) -> str:
        return f"<analysis {self.name!r} of family {self.family!r}, {self.home}>"

    def applies(self, run: Run) -> bool:
        """Whether the analysis has anything to say about a run."""
        return self._applies_to(run)

    def kept(self, run: Run, /, *args: P.args, **kwargs: P.kwargs) -> pd.DataFrame | None:
        """The table of one run that is kept and not stale, if there is one, without the columns that name the run."""
        return self.tables.kept(run, *args, **kwargs) if self.tables is not None else None

    @property
    def summary(self) -> str:
        """What it is, in one line: the first line of its docstring."""
        return (inspect.getdoc(self.source) or "").partition("\n")[0]

    def depends_on(self) -> Dependence:
        """The source that it computes with and what it reads of a run, itself and through what it is made of."""
        needed = [each.depends_on() for each in needed_by(self)]
        return Dependence(
            (source_digest(self.source), *(digest for each in needed for digest in each.sources)),
            tuple(dict.fromkeys([*self.reads, *(read for each in needed for read in each.reads)])),
        )


class AnalysisOfRuns(Analysis[P]):
    """An analysis that looks at several runs together. It applies to them where it applies to any of them."""

    def __init__(
        self, function: Callable[Concatenate[list[Run], P], pd.DataFrame], *, family: str, **declared: object
    ) -> None:
        super().__init__(function, family=family, version=1, reads=("metrics",), keep=False, **declared)  # type: ignore[arg-type]
        self.together = function

    def __call__(self, runs: Run | Sequence[Run], /, *args: P.args, **kwargs: P.kwargs) -> pd.DataFrame:
        """The table of one run or several. Raises ValueError for no runs, and for two of one name."""
        return self.together(as_list(runs), *args, **kwargs)


def analysis(
    *,
    family: str,
    version: int = 1,
    needs: Sequence[str] = (),
    applies_to: Callable[[Run], bool] = every_run,
    reads: tuple[Source, ...] = ("checkpoints",),
    on_request: bool = False,
    keep: bool = True,
) -> Callable[[Callable[Concatenate[Run, P], pd.DataFrame]], Analysis[P]]:
    """Declare a function from a run to a tidy table as an analysis, under the function's name.

    Arguments:
        family: the name by which it is asked for together with others of its kind.
        version: raised by hand where its tables change and no source of it does, as with a dependency.
        needs: names of the analyses whose tables it is made of; they are made first, in one pass over the checkpoints.
        applies_to: whether a run has what it looks at; left out: every run does.
        reads: what of the run it depends on beside its config: `checkpoints`, `metrics`, `probes`. What the analyses
            in `needs` read is added.
        on_request: made when asked for by name only, for it takes minutes or is about one detail.
        keep: whether tables are kept in the run's folder, as is worth while for what takes longer than reading them.

    Its further arguments must be what JSON can say, so that they can be part of a kept table's key; each has a default,
    without which the table could not be made by name. The columns run, task, arm and seed are added to its own.

    Raises ValueError where another analysis has the name, naming the homes of both.
    """
    return lambda function: declare(
        Analysis(
            function,
            family=family,
            version=version,
            needs=needs,
            applies_to=applies_to,
            reads=reads,
            on_request=on_request,
            keep=keep,
        )
    )


def over_runs(
    *,
    family: str,
    needs: Sequence[str] = (),
    applies_to: Callable[[Run], bool] = every_run,
    on_request: bool = False,
) -> Callable[[Callable[Concatenate[list[Run], P], pd.DataFrame]], AnalysisOfRuns[P]]:
    """Declare a function from several runs together to a tidy table as an analysis, under the function's name.

    The function is given all runs where `applies_to` says of any of them that it has what the analysis looks at, and
    puts the columns run, task, arm and seed first by itself. Its tables are not kept, for no one run's folder is
    theirs. The other arguments are those of `analysis`.
    """
    return lambda function: declare(
        AnalysisOfRuns(function, family=family, needs=needs, applies_to=applies_to, on_request=on_request)
    )


_declared: dict[str, Analysis] = {}
"""All analyses of the modules that have been imported, by name."""


def declare(new: A) -> A:
    """Add an analysis to those that can be asked for by name.

    A module that is read again replaces its own. Raises ValueError where an analysis of another home has the name.
    """
    if not new.home.startswith(f"{PACKAGE}."):
        import_modules(
            PACKAGE, and_inner=True
        )  # so that a name of this package is refused here, and not when its module is imported
    old = _declared.get(new.name)
    if old is not None and old.home != new.home:
        raise ValueError(f"two analyses are called {new.name!r}: {old.home} and {new.home}; rename one of them")
    _declared[new.name] = new
    return new


def analyses() -> dict[str, Analysis]:
    """Every analysis by name, those of a user's modules among them, in the order of tables.

    The order is that of the families (`FAMILIES`), and in a family that of the rooms by name, of the modules as the
    room's table of contents has them (others after those, by name), and of the functions in a module. A user's analyses
    come after the package's of the same family, in the order in which they were declared.
    """
    import_modules(PACKAGE, and_inner=True)
    return {each.name: each for each in _in_order(tuple(_declared.values()))}


@lru_cache(maxsize=1)  # a report asks for every plate and run, and nothing is declared in between
def _in_order(declared: tuple[Analysis, ...]) -> tuple[Analysis, ...]:
    families = list(dict.fromkeys([*FAMILIES, *(each.family for each in declared)]))
    places = {each: (families.index(each.family), _place(each), number) for number, each in enumerate(declared)}
    return tuple(sorted(declared, key=places.__getitem__))


def needed_by(analysis: Analysis) -> list[Analysis]:
    """The analyses that another is made of. Raises ValueError for a name in its `needs` that does not exist."""
    known = analyses() if analysis.needs else {}
    missing = [name for name in analysis.needs if name not in known]
    if missing:
        raise ValueError(f"{analysis.home} needs {', '.join(missing)}, and there is no such analysis")
    return [known[name] for name in analysis.needs]


def _place(each: Analysis) -> tuple[bool, str, int, str, int]:
    """Where an analysis comes in its family; a user's come last, as they were declared."""
    module = each.source.__module__
    if not module.startswith(f"{PACKAGE}."):
        return True, "", 0, "", 0
    room, _, name = module.rpartition(".")
    listed = contents(inspect.getdoc(import_module(room)) or "")
    line = inspect.unwrap(each.source).__code__.co_firstlineno
    return False, room, listed.index(name) if name in listed else len(listed), name, line


def contents(docstring: str) -> list[str]:
    """The modules that a package's table of contents lists: the first words of the lines with two columns."""
    return re.findall(r"^(\w+) {2,}\S", docstring, re.MULTILINE)
