"""demo: the same network trained with and without the clip, and a report on the two.

The demo is a sweep of two runs: when it is started again, it goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from grokscope.cli.following import found
from grokscope.cli.output import say
from grokscope.cli.sweeping import Display
from grokscope.config import RunConfig, preset

if TYPE_CHECKING:
    from grokscope.sweeps import Board, Place


@dataclass(frozen=True)
class Arm:
    """One of the networks of the demo: a preset, and the settings that differ from it."""

    label: str
    preset: str
    settings: Mapping[str, int | float | str] = field(default_factory=dict)

    @property
    def config(self) -> RunConfig:
        return preset(self.preset, **self.settings)


ARMS = (
    Arm("clipped", "mul-lion-clip", {"steps": 1000, "every": 20}),
    Arm("unclipped", "mul-adamw", {"steps": 3000, "every": 60}),
)
"""What `make demo` trains: the published clipped arm and its published baseline, which memorises early and groks
tens of thousands of steps later. Budgets and checkpoints such that all of it takes five minutes on 2 cores."""

_TINY = {"modulus": 13, "d_model": 16, "d_mlp": 16, "n_heads": 2, "batch_size": 32, "every": 10}
SMALL = tuple(Arm(arm.label, arm.preset, {**_TINY, "steps": steps}) for arm, steps in zip(ARMS, (20, 40), strict=True))
"""What shows in a minute that training, analyses and the report work."""

TITLE = "Multiplication mod {modulus}, clipped and unclipped"


def demo(scale: Literal["small", "published"] = "published") -> int:
    """Train a clipped and an unclipped network on x * y mod 97, and write reports/demo/index.html.

    Args:
        scale: small trains tiny networks mod 13 for a few steps, and writes reports/demo-small/index.html in about a
            minute: it shows that everything works, and nothing else.
    """
    arms, name = (SMALL, "demo-small") if scale == "small" else (ARMS, "demo")
    page, findings = run_demo(arms, Path("checkpoints", name), Path("reports", name))
    say()
    say(f"report: {page}")
    for finding in findings:
        say(finding)
    return 0


def run_demo(arms: Sequence[Arm], checkpoints: Path, report: Path) -> tuple[Path, list[str]]:
    """Train what is not yet trained, side by side, and write the report; returns its page and its findings.

    Raises `RunError` where a run of other settings is in the way, and ChildProcessError where a run fails; what is
    still in training then is stopped.
    """
    from grokscope.report.page import check_page_folder
    from grokscope.runs.layout import ANALYSIS
    from grokscope.sweeps import Job, Sweep, run_sweep
    from grokscope.sweeps.directory import places

    check_page_folder(report)
    sweep = Sweep("demo", tuple(Job(arm.config) for arm in arms))
    standing = places(sweep.jobs, checkpoints)
    _refuse_failures(arms, standing)
    unread = [place.path for place in standing if not (place.over and (place.path / ANALYSIS).exists())]
    for arm, place in zip(arms, standing, strict=True):
        say(f"{arm.label}: {_plan(place)}")

    def watch(board: Board) -> None:
        display.show(board)
        _refuse_failures(arms, board.places)

    try:
        with Display() as display:
            run_sweep(sweep, checkpoints, len(arms), watch=watch)
    except KeyboardInterrupt as interrupt:
        interrupt.args = ("start the demo again to continue",)
        raise

    from grokscope.report import build_report, findings
    from grokscope.runs import open_run

    if unread:
        say("analysing every checkpoint")
        _analyse(unread)
    say("writing the report")
    runs = [open_run(place.path) for place in standing]
    sentences = findings(runs)
    found(runs=[place.path for place in standing])
    title = TITLE.format(modulus=arms[0].config.task.modulus)
    return build_report("demo", runs, report, title=title, findings=sentences), sentences


def _analyse(runs: Sequence[Path]) -> None:
    """Compute the tables of the report, a run in each process; they are kept in the runs.

    What is missing all the same, after a kill, say, the report computes.
    """
    from grokscope.capacity import usable_cores
    from grokscope.cli.analyze import places_of
    from grokscope.sweeps.local import work_through

    with TemporaryDirectory(prefix="grokscope-") as logs, Display("checkpoint", measures=False) as display:
        ended = work_through(places_of(runs, (), None, usable_cores()), len(runs), Path(logs), watch=display.show)
    for outcome in ended:
        if outcome.standing == "failed":
            raise ChildProcessError(f"analysing {outcome.name}: {outcome.failures[-1].reason}")


def _plan(place: Place) -> str:
    """What is going to be done for a run."""
    from grokscope.runs import open_run

    if place.over:
        return f"already there: {place.path}"
    if place.path.exists():
        return f"continuing from step {open_run(place.path).final_step} in {place.path}"
    return f"training {place.job.budget:,} steps into {place.path}"


def _refuse_failures(arms: Sequence[Arm], standing: Iterable[Place]) -> None:
    """Raise ChildProcessError for the first run that has failed."""
    for arm, place in zip(arms, standing, strict=True):
        if place.standing == "failed":
            raise ChildProcessError(f"{arm.label}: {place.failures[-1].reason}")
