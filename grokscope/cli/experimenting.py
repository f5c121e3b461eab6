"""experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from grokscope.cli.following import found
from grokscope.cli.output import print_table, say
from grokscope.cli.sweeping import Display
from grokscope.config.checks import integer


def experiment(
    name: Positional[str] = "",
    scale: Literal["small", "published"] = "published",
    seeds: tuple[int, ...] = (),
    runs: Path | None = None,
    out: Path | None = None,
    only: tuple[str, ...] = (),
    workers: int | None = None,
    report_only: bool = False,
    side_by_side: str | None = None,
    list_: Annotated[bool, arg(name="list")] = False,
) -> int:
    """Run an experiment from sweep to results; started again, it goes on where it was. Exit code 2 if a run failed.

    A run that diverges is a result of the experiment, and no failure.

    Args:
        name: The experiment; left out: list them, with what each asks and what --only takes.
        scale: small takes seconds to minutes and shows that everything works; published takes up to hours.
        seeds: Seeds of the runs; left out: those of the scale.
        runs: Where the runs go; left out: checkpoints/ and the experiment's name.
        out: Where the results go; left out: reports/tables/, or reports/ and the experiment's name.
        only: Names of families, arms, tasks or presets, if not all of them; --list has them.
        workers: Runs trained at a time; left out: one per core.
        report_only: Train nothing; use the runs that have ended.
        side_by_side: A device, as cuda, on which all seeds of a setting are trained at once, without run directories;
            for published-tables.
        list_: List the experiments.
    """
    from grokscope.experiments import Request, experiments
    from grokscope.experiments.experiment import experiment as experiment_of

    if list_ or not name:
        rows = [(one.name, one.asks, " ".join(one.parts()) or None) for one in experiments().values()]
        print_table(("experiment", "what it asks", "--only"), rows)
        return 0
    chosen = experiment_of(name)
    if workers is not None:
        integer("workers", workers, 1)
    try:
        with Display() as display:
            outcome = chosen.run(
                Request(
                    scale=scale,
                    seeds=tuple(dict.fromkeys(seeds)),
                    only=only,
                    runs=runs,
                    out=out,
                    workers=workers,
                    training=not report_only,
                    side_by_side=side_by_side,
                    watch=display.show,
                    say=say,
                )
            )
    except KeyboardInterrupt as interrupt:
        interrupt.args = ("go on with the same command",)
        raise
    folder = Request(scale=scale, runs=runs).folders(name)[0]
    found(folder=[folder] * folder.is_dir())
    print_table(outcome.columns, outcome.rows)
    for line in outcome.lines:
        say(line)
    return 2 if outcome.failed else 0
