"""Tables kept in the run that they are about, under a key of everything that they depend on.

A table is stored as

    RUN/analysis/NAME/ARGUMENTS-STATE-CONTENT.parquet

under the name of its analysis, with three digests: of the arguments; of the state (the analysis's declared version, the
source that it computes with, the run's config, and the digests of the checkpoints and metrics that it reads); and of
the file's own bytes. A table is read back only where the first two fit and the third is true, so that a stale or a
damaged table is computed again.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, NamedTuple, ParamSpec

import numpy as np
import pandas as pd

from grokscope.analysis.tables.identity import of_runs
from grokscope.analysis.tables.source import source_digest
from grokscope.config import to_dict
from grokscope.disk.files import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from grokscope.runs import Run

P = ParamSpec("P")
Source = Literal["checkpoints", "metrics", "probes"]
"""What of a run a table can depend on, beside its config."""


class Dependence(NamedTuple):
    """What tables depend on beside their arguments and a run's config, through those that they are made of, too."""

    sources: tuple[str, ...]
    """Digests of the source that they are computed with."""
    reads: tuple[Source, ...]
    """What of the run."""


log = logging.getLogger(__name__)


class KeptTables(Generic[P]):
    """The tables that a function makes of a run, kept in the run's folder.

    Called with a run and the function's arguments, it gives the table that is kept, or has one made and keeps it.

    Arguments:
        analyse: a function from a run to a table. Its arguments must be what JSON can say (numbers, text, None, lists,
            dictionaries), for they are part of the key.
        version: raised by hand whenever the function gives other numbers for the same run and the same source.
        name: of the folder that the tables are in.
        depends_on: gives what the tables depend on. It is asked each time, for what was typed into a notebook changes.

    Where the run's folder cannot be written to, tables are not kept, which is warned of once for each run.
    """

    def __init__(
        self,
        analyse: Callable[Concatenate[Run, P], pd.DataFrame],
        version: int,
        name: str,
        depends_on: Callable[[], Dependence],
    ) -> None:
        self.analyse, self.version, self.name = analyse, version, name
        self._depends_on, self._signature = depends_on, inspect.signature(analyse)

    def __call__(self, run: Run, /, *args: P.args, **kwargs: P.kwargs) -> pd.DataFrame:
        table = self.kept(run, *args, **kwargs)
        return self.keep(self.analyse(run, *args, **kwargs), run, *args, **kwargs) if table is None else table

    def kept(self, run: Run, /, *args: P.args, **kwargs: P.kwargs) -> pd.DataFrame | None:
        """The table of a run that is kept and not stale; None where there is none."""
        content = _find(self._folder(run), *self._key(run, *args, **kwargs))
        return None if content is None else _from_parquet(content)

    def keep(self, table: pd.DataFrame, run: Run, /, *args: P.args, **kwargs: P.kwargs) -> pd.DataFrame:
        """Keep a table that was made of a run. Returns it as it is read back, the same the first time and after."""
        content = _to_parquet(table, self.name)
        try:
            _keep(self._folder(run), *self._key(run, *args, **kwargs), content)
        except OSError as error:
            _warn_not_kept(run, error)
        return _from_parquet(content)

    def _folder(self, run: Run) -> Path:
        return run.analysis_path / re.sub(r"[^\w.]", "_", self.name)

    def _key(self, run: Run, *args: P.args, **kwargs: P.kwargs) -> tuple[str, str]:
        """The digests of the arguments and of the state."""
        bound = self._signature.bind(run, *args, **kwargs)
        bound.apply_defaults()
        arguments = dict(list(bound.arguments.items())[1:])
        sources, reads = self._depends_on()
        state = {"analysis": self.name, "version": self.version, "source": sources, **run_state(run, reads)}
        return digest(arguments, self.name), digest(state, self.name)


class CachedFunction(Generic[P]):
    """A function of one run, or of several, whose tables are kept; see `cached`."""

    def __init__(self, tables: KeptTables[P]) -> None:
        self.tables = tables
        update_wrapper(self, tables.analyse)

    def __call__(self, runs: Run | Sequence[Run], /, *args: P.args, **kwargs: P.kwargs) -> pd.DataFrame:
        return of_runs(runs, lambda run: self.tables(run, *args, **kwargs))

    def kept(self, run: Run, /, *args: P.args, **kwargs: P.kwargs) -> pd.DataFrame | None:
        """The table of one run that is kept and not stale, if there is one, without the columns that name the run."""
        return self.tables.kept(run, *args, **kwargs)


def cached(
    version: int, reads: tuple[Source, ...] = ("checkpoints",)
) -> Callable[[Callable[Concatenate[Run, P], pd.DataFrame]], CachedFunction[P]]:
    """Keep the tables that a function makes of a run, and let it take several runs, without declaring an analysis.

        @cached(version=1)
        def largest_norms(run: Run, count: int = 3) -> pd.DataFrame: ...

    The arguments are those of `analysis`, with which a function is declared that can be asked for by name too.
    """

    def decorate(analyse: Callable[Concatenate[Run, P], pd.DataFrame]) -> CachedFunction[P]:
        # With its module, so that functions of one name in two modules do not remove each other's tables.
        name = f"{analyse.__module__}.{analyse.__qualname__}"
        return CachedFunction(KeptTables(analyse, version, name, lambda: Dependence((source_digest(analyse),), reads)))

    return decorate


def run_state(run: Run, reads: tuple[Source, ...]) -> dict[str, Any]:
    """Everything about a run that a table reading `reads` depends on."""
    state: dict[str, Any] = {"config": to_dict(run.config)}
    if run.basis is not None:
        state["basis"] = run.basis
    if "checkpoints" in reads:
        state["checkpoints"] = [[step, run.digests[step]] for step in run.steps]
    if "metrics" in reads:
        # As text, and not the file: metrics.jsonl becomes metrics.parquet when a run ends.
        state["metrics"] = hashlib.sha256(run.metrics.to_csv(index=False).encode()).hexdigest()
    if "probes" in reads:
        state["probes"] = hashlib.sha256(run.probes.to_csv(index=False).encode()).hexdigest()
    return state


def digest(value: object, name: str) -> str:
    """16 hex digits of the sha256 of a value in canonical JSON. Raises TypeError where JSON cannot say it."""
    text = json.dumps(_plain(value, name), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: object, name: str) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, name) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(item, name) for key, item in value.items()}
    raise TypeError(
        f"{name} got {value!r}, a {type(value).__name__}: arguments are part of a table's key; "
        "use numbers, text, None, lists, or dictionaries of them"
    )


def _to_parquet(table: pd.DataFrame, name: str) -> bytes:
    if table.index.names != [None]:
        raise TypeError(f"{name} returned a table with an index: a tidy table has its keys in columns (reset_index)")
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _from_parquet(content: bytes) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(content))


def _find(folder: Path, arguments: str, state: str) -> bytes | None:
    for path in sorted(folder.glob(f"{arguments}-{state}-*.parquet")):
        try:
            content = path.read_bytes()
        except OSError as error:
            log.warning("%s cannot be read (%s): the table is computed again", path, error)
            continue
        if path.stem.rpartition("-")[2] == _content_digest(content):
            return content
        log.warning("%s is damaged: the table is computed again", path)
    return None


def _keep(folder: Path, arguments: str, state: str, content: bytes) -> None:
    """Keep the content of a table. Raises OSError where that is impossible."""
    path = folder / f"{arguments}-{state}-{_content_digest(content)}.parquet"
    folder.mkdir(parents=True, exist_ok=True)
    older = [old for old in folder.glob(f"{arguments}-*.parquet") if old != path]
    write_atomic(path, content)
    # Other states of the same table will not be asked for again: the run has moved on from them.
    for old in older:
        old.unlink(missing_ok=True)


_not_kept: dict[Path, str] = {}
"""What was said of the runs, by their folders, whose tables could not be kept."""


def why_not_kept(run: Run) -> str | None:
    """A sentence that names a run of which this process could not keep a table, and why; None if it could."""
    return _not_kept.get(run.analysis_path.absolute())


def _warn_not_kept(run: Run, error: OSError) -> None:
    if why_not_kept(run) is None:
        sentence = f"tables of {run.name} are not kept, and made anew each time: cannot write to {run.analysis_path}"
        sentence += f": {error.strerror or error}"
        _not_kept[run.analysis_path.absolute()] = sentence
        log.warning(sentence)


def _content_digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
