"""sweep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from grokscope.cli.following import found
from grokscope.cli.output import console, one_line, print_table, say, say_error, say_note
from grokscope.config import ConfigError
from grokscope.config.checks import integer

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Group

    from grokscope.sweeps import Board, Outcome, Place, Sweep


def sweep(
    file: Positional[Path],
    out: Path | None = None,
    workers: int | None = None,
    ray: str | None = None,
    fetch: bool = False,
    hang_seconds: float = 300.0,
    dry_run: bool = False,
    many: bool = False,
) -> int:
    """Train all runs that a TOML file describes; started again, it goes on where it was. Exit code 2 if one failed.

    A run that diverges is a result of the sweep, as one that never groks is: it is counted, and is no failure.

    Args:
        file: The sweep; see `grokscope.sweeps.file`.
        out: Where the run directories go; left out: checkpoints/ and the file's name.
        workers: Runs trained at a time on this machine; left out: one per core.
        ray: Train on the Ray cluster at this address (`auto`: the one this machine belongs to) instead.
        fetch: With --ray: nodes share no path with this one, so the runs are sent back here.
        hang_seconds: A worker that says nothing for so long is killed, and its run retried.
        dry_run: List the runs, with an estimate of time and disk, and train none.
        many: More than 100,000 runs are meant; without this they are counted and refused.
    """
    from grokscope.sweeps import load_sweep, run_sweep

    if ray is not None and workers is not None:
        raise ConfigError(
            "--workers is for this machine: on a Ray cluster, as many runs are trained as it has room for"
        )
    if fetch and ray is None:
        raise ConfigError("--fetch belongs to --ray ADDRESS")
    if workers is not None:
        integer("workers", workers, 1)
    wanted = load_sweep(file, many=many)
    if dry_run:
        found(planned=[str(file), *(["--out", str(out)] if out else []), *["--many"] * many])
        return _dry_run(wanted, out, workers)
    try:
        with Display() as display:
            if ray is None:
                ended = run_sweep(wanted, out, workers, hang_seconds=hang_seconds, watch=display.show)
            else:
                from grokscope.sweeps.cluster import run_on_ray

                ended = run_on_ray(wanted, ray, out, fetch=fetch, hang_seconds=hang_seconds, watch=display.show)
    except KeyboardInterrupt as interrupt:
        interrupt.args = ("go on with the same command",)
        raise
    folder = wanted.out if out is None else out
    code = _tell(ended, folder)
    found(folder=[folder] * (code == 0))
    return code


def _dry_run(wanted: Sweep, out: Path | None, workers: int | None) -> int:
    """Print every run, whether it is done, and what the rest will take."""
    from grokscope.capacity import in_words
    from grokscope.sweeps.directory import places
    from grokscope.sweeps.estimate import estimate
    from grokscope.sweeps.local import default_workers

    folder = wanted.out if out is None else out
    jobs_in_place = places(wanted.jobs, folder)
    say_note(f"{len(jobs_in_place)} runs; how long each kind takes is measured, a few seconds a kind")
    costs = estimate([job for job, place in zip(wanted.jobs, jobs_in_place, strict=True) if not place.over])
    rows = []
    for job, place in zip(wanted.jobs, jobs_in_place, strict=True):
        cost = costs.runs.get(job.name)
        last = (None, None) if cost is None else (_duration(cost.seconds), in_words(cost.bytes))
        rows.append((job.name, job.config.arm, job.config.seed, job.budget, place.standing, *last))
    print_table(
        ("run", "arm", "seed", "budget", "standing", "time", "disk"), rows, numbers=("seed", "budget", "time", "disk")
    )
    say(f"{len(jobs_in_place)} runs in {folder}, {len(jobs_in_place) - len(costs.runs)} of them done")
    if costs.runs:
        numbers = sorted({1, default_workers(wanted.jobs) if workers is None else workers})
        times = ", ".join(f"{_duration(costs.seconds(n))} with {n} worker{'s' * (n > 1)}" for n in numbers)
        told = f"at most {times}" if costs.seconds(1) is not None else f"{costs.kinds} kinds of run are not timed"
        say(f"{told}; {in_words(costs.bytes)} on disk (if every run uses its budget)")
    return 0


def _tell(ended: list[Outcome], folder: Path) -> int:
    """Print how the sweep ended, and each run that failed, with why."""
    failed = [outcome for outcome in ended if outcome.standing == "failed"]
    diverged = sum(outcome.standing == "diverged" for outcome in ended)
    before = sum(outcome.before for outcome in ended)
    parts = [f"{len(ended) - len(failed)} of {len(ended)} runs done"]
    parts += [f"{before} of them before"] * bool(before) + [f"{diverged} diverged"] * bool(diverged)
    say(f"{folder}: {', '.join(parts)}")
    for outcome in failed:
        say_error(f"{outcome.name} failed: {outcome.failures[-1].reason}")
    return 2 if failed else 0


class Display:
    """A live table on a terminal; elsewhere a line for each run that ends, and for each failure.

    Arguments:
        unit: what the budget of a run is counted in.
        measures: whether the work has an accuracy to show.
    """

    def __init__(self, unit: str = "step", *, measures: bool = True) -> None:
        self._console = console()
        self._unit, self._measures = unit, measures
        self._told: dict[Path, tuple[bool, int]] = {}  # by path: several sweeps may be shown in turn
        self._live = None
        if self._console.is_terminal:
            from rich.live import Live

            self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> Display:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, board: Board) -> None:
        """Show where the sweep stands, and what has happened since."""
        for place in board.places:
            news = (place.over, len(place.failures))
            if news != self._told.setdefault(place.path, (place.before, 0)):
                self._told[place.path] = news
                for line in _news(place, board, self._unit):
                    self._console.print(line, markup=False, soft_wrap=True)
        if self._live is not None:
            self._live.update(_table(board, self._unit, self._measures), refresh=True)


def _news(place: Place, board: Board, unit: str) -> list[str]:
    """What has become of a run, as lines."""
    done = f"({board.count('finished', 'diverged', 'failed')} of {len(board.places)})"
    lines = []
    if place.over and place.standing != "failed":
        accuracy = "" if place.accuracy is None else f", accuracy {place.accuracy:.3f}"
        return [f"{place.standing} {place.job.name} at {unit} {place.step}{accuracy} {done}"]
    failure = place.failures[-1]
    what = f"failed {place.job.name} {done}" if place.over else f"retrying {place.job.name}"
    lines.append(one_line(f"{what}: {failure.reason}"))
    return lines + [f"    {one_line(line)}" for line in failure.tail]


def _table(board: Board, unit: str, measures: bool) -> Group:
    """The runs that are worked on, and a line about all of them."""
    from rich.console import Group
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ["run", unit, "of", f"{unit}s/s"] + ["accuracy"] * measures:
        table.add_column(column, justify="left" if column == "run" else "right", no_wrap=True)
    for place in board.places:
        if place.standing == "running":
            rate = "-" if place.rate is None else f"{place.rate:.0f}"
            row = [place.job.name, f"{place.step:,}", f"{place.job.budget:,}", rate]
            if measures:
                row.append("-" if place.accuracy is None else f"{place.accuracy:.3f}")
            table.add_row(*row)
    left = board.seconds_left()
    parts = [f"{board.count('finished', 'diverged')} of {len(board.places)} done"]
    for standing in ("running", "waiting", "elsewhere", "failed"):
        if number := board.count(standing):
            parts.append(f"{number} {standing}")
    parts += [f"at most {_duration(left)} left"] if left is not None else []
    parts += ["stopping: press Ctrl-C once more to stop at once"] if board.stopping else []
    return Group(table, ", ".join(parts))


def _duration(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes:.0f} min" if minutes < 90 else f"{hours:.1f} h"
