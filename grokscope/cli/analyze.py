"""analyze: compute the analyses of runs, and keep their tables."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import FlagCreatePairsOff, Positional, arg

from grokscope.cli.following import found
from grokscope.cli.opening import opened
from grokscope.cli.output import print_table, say, say_error, say_note
from grokscope.cli.sweeping import Display
from grokscope.config import ConfigError
from grokscope.config.checks import integer
from grokscope.disk import check_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from grokscope.runs import Run
    from grokscope.runs.reader import BasisChoice
    from grokscope.sweeps import Outcome, Place

HANG_SECONDS = 3600.0
"""One checkpoint of a large group takes minutes, and a worker says nothing in the midst of it."""


def analyze(
    runs: Positional[tuple[Path, ...]],
    only: tuple[str, ...] = (),
    out: Path | None = None,
    workers: int | None = None,
    ray: str | None = None,
    hang_seconds: float = HANG_SECONDS,
    basis: Literal["additive", "multiplicative"] | None = None,
    strict: bool = False,
    show_list: Annotated[FlagCreatePairsOff[bool], arg(name="list")] = False,
) -> int:
    """Read the circuit out of every checkpoint of some runs; tables that are kept already are not made again.

    Several runs go side by side, each in a process of its own. One that cannot be analysed is retried once, stops no
    other, and is named at the end, with exit code 2.

    Args:
        runs: The run directories.
        only: Names of analyses, or of a family of them (fourier); left out: all that the task has.
        out: A directory to write the tables to as CSV, RUN-ANALYSIS.csv; left out: they are kept in the runs only.
        workers: Runs analysed at a time, or checkpoints where there are fewer runs; left out: one per core.
        ray: Analyse on the Ray cluster at this address (`auto`: the one this machine belongs to) instead, a task per
            run; all nodes see the runs at the same paths.
        hang_seconds: A worker that says nothing for so long is killed, and its run retried.
        basis: Read operands as residues in this basis, whatever the task: spectra, keys, neurons and circles of tasks
            that compute in no group; left out: in the task's own group.
        strict: Refuse a run that has a damaged checkpoint; else it is named and left out.
        show_list: Print the name, the family and one line of each analysis, and analyse nothing.
    """
    if show_list:
        return _list_analyses()
    if not runs:
        raise ValueError("name the runs to analyse: grokscope analyze RUN... [--only fourier]; or ask for --list")
    if ray is not None and workers is not None:
        raise ConfigError(
            "--workers is for this machine: on a Ray cluster, as many runs are analysed as it has room for"
        )
    if workers is not None:
        integer("workers", workers, 1)
    if out is not None:
        check_folder(out)
    found(runs=runs)
    if workers is None:
        from grokscope.capacity import usable_cores

        workers = usable_cores()
    if len(runs) == 1 and ray is None:
        return _analyze_here(opened(runs[0], basis, strict=strict), only, out, workers)
    return _analyze_side_by_side(runs, only, out, workers, ray, hang_seconds, basis, strict)


def _list_analyses() -> int:
    from grokscope.analysis import analyses

    print_table(
        ("analysis", "family", "what it says"),
        [
            (name, known.family, known.summary + (" On request only." if known.on_request else ""))
            for name, known in analyses().items()
        ],
    )
    return 0


def _analyze_here(run: Run, only: tuple[str, ...], out: Path | None, at_a_time: int) -> int:
    """Analyse one run in this process, so many checkpoints at a time."""
    from torch import get_num_threads, set_num_threads

    from grokscope.analysis import run_all
    from grokscope.analysis.tables.cache import why_not_kept
    from grokscope.cli.analysis_worker import sizes, write_tables

    threads = get_num_threads()
    set_num_threads(1)  # checkpoints go side by side, one thread each
    try:
        tables = run_all(run, only or None, at_a_time, progress=True)
    finally:
        set_num_threads(threads)
    _print_sizes((run.name, *size) for size in sizes(tables))
    if out is not None:
        write_tables(run, tables, out)
    kept = "not kept" if why_not_kept(run) else f"kept in {run.analysis_path}"
    say(f"{run.name}: {kept}{_written(out)}")
    return 0


def _analyze_side_by_side(
    paths: Sequence[Path],
    only: tuple[str, ...],
    out: Path | None,
    workers: int,
    ray: str | None,
    hang_seconds: float,
    basis: BasisChoice | None,
    strict: bool,
) -> int:
    """Analyse several runs, each in a process of its own."""
    from grokscope.sweeps.local import work_through

    places = places_of(paths, only, out, 1 if ray is not None else workers, basis, strict=strict)
    try:
        with Display("checkpoint", measures=False) as display:
            if ray is None:
                with TemporaryDirectory(prefix="grokscope-") as logs:
                    ended = work_through(places, workers, Path(logs), hang_seconds=hang_seconds, watch=display.show)
            else:
                from grokscope.sweeps.cluster import work_through_on_ray

                ended = work_through_on_ray(places, ray, hang_seconds=hang_seconds, watch=display.show)
    except KeyboardInterrupt as interrupt:
        interrupt.args = ("go on with the same command: what is done is kept",)
        raise
    return _tell(ended, out)


def places_of(
    paths: Sequence[Path],
    only: tuple[str, ...],
    out: Path | None,
    workers: int,
    basis: BasisChoice | None = None,
    *,
    strict: bool = False,
) -> list[Place]:
    """The runs, each once; one that cannot be opened has failed.

    A run is called by its path below the folder that all have in common.

    Raises ValueError for an analysis that does not exist, and where tables of two runs would be one file in `out`.
    """
    from grokscope.analysis.tables.identity import check_names
    from grokscope.analysis.tables.registry import resolve
    from grokscope.cli.analysis_worker import AnalysisWork
    from grokscope.runs import RunError
    from grokscope.sweeps import Place

    absolute = list(dict.fromkeys(path.absolute() for path in paths))
    common = os.path.commonpath([path.parent for path in absolute])
    at_a_time = max(1, workers // len(absolute))
    runs, places = [], []
    for path in absolute:
        name, folder = os.path.relpath(path, common), out and str(out.absolute())
        try:
            run = opened(path, basis, strict=strict)
        except RunError as error:
            places.append(Place(AnalysisWork(name, 0, only, folder, at_a_time), path))
            places[-1].give_up(str(error))
        else:
            places.append(Place(AnalysisWork(name, len(run.steps), only, folder, at_a_time, basis), path))
            runs.append(run)
    resolve(only, runs, explain=False)
    if out is not None and runs:
        check_names(runs)
    return places


def _tell(ended: Sequence[Outcome], out: Path | None) -> int:
    """Print what there is of each run, and each that failed, with why."""
    done = [outcome for outcome in ended if outcome.standing == "finished"]
    failed = [outcome for outcome in ended if outcome.standing != "finished"]
    _print_sizes((outcome.name, *size) for outcome in done for size in outcome.result["tables"])
    not_kept = [outcome.result["not_kept"] for outcome in done if outcome.result["not_kept"]]
    kept = f"of {len(done) - len(not_kept)} of them" if not_kept else "of each"
    say(f"{len(done)} of {len(ended)} runs analysed: tables are kept in the folder analysis {kept}{_written(out)}")
    for sentence in not_kept:
        say_note(sentence)
    for outcome in failed:
        say_error(f"{outcome.name} failed: {outcome.failures[-1].reason}")
    return 2 if failed else 0


def _print_sizes(rows: Iterable[tuple[object, ...]]) -> None:
    """Print how much there is in each table of runs."""
    print_table(("run", "analysis", "rows", "checkpoints"), list(rows), numbers=("rows", "checkpoints"))


def _written(out: Path | None) -> str:
    return f", written to {out}" if out else ""
