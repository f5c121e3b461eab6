"""From sweep to tables: traces, tuning, arms; rows are written after each few runs."""

from __future__ import annotations

from itertools import product

from grokscope.config import ConfigError
from grokscope.config.nearest import did_you_mean
from grokscope.experiments.experiment import Experiment, Outcome, Request, check_scale, declare_experiment
from grokscope.experiments.ledger import train_in_rounds, unfinished
from grokscope.experiments.why_clipping import watched
from grokscope.experiments.why_clipping.declared import families
from grokscope.experiments.why_clipping.page import TITLE, write_why_clipping
from grokscope.experiments.why_clipping.summary import summary
from grokscope.experiments.why_clipping.tasks import MAIN
from grokscope.experiments.why_clipping.trained import PUBLISHED, SMALL, STAGES, Stage, Study
from grokscope.report.page import check_page_folder
from grokscope.sweeps import Sweep, run_sweep

NAME = "why-clipping"
SCALES = {scale.name: scale for scale in (PUBLISHED, SMALL)}


def why_clipping(request: Request) -> Outcome:
    """Train what has not ended here or elsewhere, and write the tables; started again, it goes on where it was."""
    check_scale(request.scale)
    for name in request.only:
        if name not in families():
            raise ConfigError(f"{NAME} has no family {name!r}: {did_you_mean(name, tuple(families()))}")
    study = Study(SCALES[request.scale], *request.folders(NAME), request.only, request.seeds)
    check_page_folder(study.out)
    failed: list[str] = []
    if request.training and not (request.only or request.seeds):
        failed += train_in_rounds(NAME, study.watched(), study.runs, study.file, request, study.rows)
    for stage in STAGES if request.training else ():
        for place, task in product(study.places, study.scale.sizes):
            failed += _record_traces(study, task, stage, request)
            if task == MAIN and study.tunes and stage != "decisive":
                failed += train_in_rounds(NAME, study.tuning(), study.runs, study.file, request, study.rows)
            part = study.arms(task, place, stage)
            failed += train_in_rounds(NAME, part, study.runs, study.file, request, study.rows)
    if request.training:
        # Last: they narrow an interval, at the price of every other arm together.
        failed += train_in_rounds(NAME, study.more(), study.runs, study.file, request, study.rows)
    request.say("reading the runs that are looked at closely")
    closely = watched.tables(study.watched(), study.runs, study.out)
    planned = study.plan()
    rows = study.rows(planned)
    if not len(rows):
        raise ValueError(f"no run of {NAME} in {study.runs} has ended: train some (without --report-only)")
    table = summary(rows)
    ended = set(rows["run"])
    missing = {
        name: [one.job.name for one in planned if one.part == name and one.job.name not in ended] for name in families()
    }
    request.say("writing the page")
    page = write_why_clipping(study.out, rows, table, closely, missing, request.scale)
    columns = ["family", "task", "arm", "n", "reached", "median", "ratio", "low", "high", "verdict"]
    shown = table.reindex(columns=columns)
    return Outcome.of_table(shown, (f"{len(rows)} of {len(planned)} runs have ended", f"wrote {page}"), failed)


def _record_traces(study: Study, task: str, stage: Stage, request: Request) -> list[str]:
    """Record the traces that a task's runs of a stage need, if they have not ended; returns the names of failures."""
    left = unfinished(study.arms(task, stage=stage), study.runs, study.file)
    missing = study.missing_traces(task, stage, left)
    if not missing:
        return []
    request.say(f"traces of {task}: {len(missing)} runs")
    jobs = tuple(study.traced(task, of) for of in missing)
    ended = run_sweep(Sweep(NAME, jobs), study.runs, request.workers, watch=request.watch)
    failed = [outcome.name for outcome in ended if outcome.standing == "failed"]
    for of, job in zip(missing, jobs, strict=True):
        if job.name not in failed:
            study.keep_trace(task, of)
    return failed


declare_experiment(Experiment(NAME, TITLE, lambda: tuple(families()), why_clipping))
