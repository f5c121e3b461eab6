"""Tables kept in the run that they are about, under a key of everything that they depend on.

A table is stored as

    RUN/analysis/FUNCTION/ARGUMENTS-STATE-CONTENT.parquet

with three digests: of the arguments; of the state (the function's declared version, the run's config, and
the digests of the checkpoints and metrics that it reads); and of the file's own bytes. A table is read back
only where the first two fit and the third is true, so that a stale or a damaged table is computed again.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec

import numpy as np
import pandas as pd

from grokscope.analysis.tables.identity import each_run
from grokscope.config import to_dict
from grokscope.disk.files import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from grokscope.runs import Run

P = ParamSpec("P")
Source = Literal["checkpoints", "metrics"]
"""What of a run a table can depend on, beside its config."""

log = logging.getLogger(__name__)


def cached(
    version: int, reads: tuple[Source, ...] = ("checkpoints",)
) -> Callable[
    [Callable[Concatenate[Run, P], pd.DataFrame]], Callable[Concatenate[Run | Sequence[Run], P], pd.DataFrame]
]:
    """Make an analysis of one run into one of any number of runs whose tables are kept.

        @cached(version=1)
        def norm_trajectories(run: Run) -> pd.DataFrame: ...

    Args:
        version: raised by hand whenever the function gives other numbers for the same run.
        reads: what of the run it depends on; `checkpoints` and `metrics` are the choices.

    Arguments of the analysis must be what JSON can say (numbers, text, None, lists, dictionaries), so that
    they can be part of the key. Where the run's folder cannot be written to, tables are not kept.
    """

    def decorate(
        analyse: Callable[Concatenate[Run, P], pd.DataFrame],
    ) -> Callable[Concatenate[Run | Sequence[Run], P], pd.DataFrame]:
        signature = inspect.signature(analyse)
        name = f"{analyse.__module__}.{analyse.__qualname__}"
        short = re.sub(r"[^\w.]", "_", name.removeprefix("grokscope.analysis."))

        @wraps(analyse)
        def kept(run: Run, /, *args: P.args, **kwargs: P.kwargs) -> pd.DataFrame:
            bound = signature.bind(run, *args, **kwargs)
            bound.apply_defaults()
            arguments = digest(dict(list(bound.arguments.items())[1:]), name)
            state = digest({"function": name, "version": version, **run_state(run, reads)}, name)
            folder = run.analysis_path / short
            content = _find(folder, arguments, state)
            if content is None:
                content = _to_parquet(analyse(run, *args, **kwargs), name)
                _keep(folder, arguments, state, content)
            # Read back even when just made: a table is the same, types included, the first time and after.
            return _from_parquet(content)

        return each_run(kept)

    return decorate


def run_state(run: Run, reads: tuple[Source, ...]) -> dict[str, Any]:
    """Everything about a run that a table reading `reads` depends on."""
    state: dict[str, Any] = {"config": to_dict(run.config)}
    if "checkpoints" in reads:
        state["checkpoints"] = [[step, run.digests[step]] for step in run.steps]
    if "metrics" in reads:
        # As text, and not the file: metrics.jsonl becomes metrics.parquet when a run ends.
        state["metrics"] = hashlib.sha256(run.metrics.to_csv(index=False).encode()).hexdigest()
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
    path = folder / f"{arguments}-{state}-{_content_digest(content)}.parquet"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        older = [old for old in folder.glob(f"{arguments}-*.parquet") if old != path]
        write_atomic(path, content)
        # Other states of the same table will not be asked for again: the run has moved on from them.
        for old in older:
            old.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s is not kept: %s", path, error)


def _content_digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
