"""Several analyses of one run or several, by name, made together.

tables = run_all(run)                          # every analysis that the run has
tables = run_all([one, other], ["fourier"])    # a family, or names, of several runs
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from grokscope.analysis.checkpoint.over_checkpoints import CheckpointAnalysis, Progress, in_one_pass
from grokscope.analysis.tables.declared import Analysis, AnalysisOfRuns, analyses, needed_by
from grokscope.analysis.tables.identity import as_list, joined
from grokscope.config.nearest import near

if TYPE_CHECKING:
    from grokscope.runs import Run


def applicable(run: Run) -> tuple[str, ...]:
    """The analyses that a run has, but for those on request only, in the order of `analyses`."""
    return tuple(name for name, each in analyses().items() if not each.on_request and each.applies(run))


def run_all(
    runs: Run | Sequence[Run], only: Iterable[str] | None = None, workers: int = 1, *, progress: Progress = False
) -> dict[str, pd.DataFrame]:
    """Tables of one run or several by name of the analysis; what is kept is read, the rest made in one pass a run.

    A table has the rows of those runs that the analysis applies to. Of a list of runs, an analysis that applies to none
    is left out. Of a single run it is left out as part of a family, and asked for by name it is called all the same: it
    says why there is nothing to see.

    Arguments:
        only: names of analyses, or of families, which stand for all in them that are not on request only; all analyses
            but for those, if not given.
        workers: how many checkpoints to look at at a time (see `in_one_pass`).
        progress: see `Progress`.

    Returns: the tables in the order of `only`, and within a family, or without `only`, in that of `analyses`.

    Raises ValueError for a name that does not exist, for no runs, for two runs of one name, and, of a single run, for
    an analysis that it does not have when asked for by name, and for a family of which it has none.
    """
    several, single = as_list(runs), not isinstance(runs, Sequence)
    known = analyses()
    wanted = list(applicable_to_any(several)) if only is None else resolve(only, several, explain=single)
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in wanted}
    for name in wanted:
        if single and not known[name].applies(several[0]):
            # It raises, as a rule: before anything else takes minutes.
            parts[name].append(known[name](several))
    for run in several:
        mine = [known[name] for name in wanted if known[name].applies(run)]
        for name, table in _tables_of_run(run, mine, workers, progress=progress).items():
            parts[name].append(table)
    for name in wanted:
        if isinstance(known[name], AnalysisOfRuns) and any(map(known[name].applies, several)):
            parts[name].append(known[name](several))
    return {name: joined(tables) for name, tables in parts.items() if tables}


def applicable_to_any(runs: Sequence[Run]) -> tuple[str, ...]:
    """The analyses that any of some runs has, but for those on request only, in the order of `analyses`."""
    has = {name for run in runs for name in applicable(run)}
    return tuple(name for name in analyses() if name in has)


def resolve(only: Iterable[str], runs: Sequence[Run], *, explain: bool = True) -> list[str]:
    """The names of analyses that names of analyses and of families stand for, each once.

    Raises ValueError for a name that is neither, and with `explain` for a family of which no run has any, saying why.
    """
    known, available = analyses(), applicable_to_any(runs)
    families = dict.fromkeys(each.family for each in known.values())
    names: list[str] = []
    for name in only:
        if name in families:
            of_family = [part for part in available if known[part].family == name]
            if explain and not of_family:
                next(each for each in known.values() if each.family == name)(runs)
            names += of_family
        elif name in known:
            names.append(name)
        else:
            every = [*known, *families]
            found = near(name, every)
            hint = f"nearest: {', '.join(found)}; " if found else ""
            raise ValueError(f"there is no analysis {name!r}; {hint}there are: {', '.join(every)}")
    return list(dict.fromkeys(names))


def _tables_of_run(
    run: Run, wanted: Sequence[Analysis], workers: int, *, progress: Progress
) -> dict[str, pd.DataFrame]:
    """The tables of some analyses of one run, made of one pass over its checkpoints; but for those of several runs."""
    with_needs = _with_needs(wanted)
    of_checkpoints = {each.name: each for each in with_needs if isinstance(each, CheckpointAnalysis)}
    made = in_one_pass(run, of_checkpoints, workers, progress=progress)
    others = [each for each in wanted if not isinstance(each, CheckpointAnalysis | AnalysisOfRuns)]
    made |= {each.name: each(run) for each in others}
    return {each.name: made[each.name] for each in wanted if each.name in made}


def _with_needs(wanted: Sequence[Analysis]) -> list[Analysis]:
    """Analyses, those that they are made of, and so on, each once."""
    every = list(wanted)
    for each in every:
        every += [needed for needed in needed_by(each) if needed not in every]
    return every
