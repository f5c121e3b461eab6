"""From sweep to report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from grokscope.config import ConfigError
from grokscope.experiments.experiment import Experiment, Outcome, Request, check_scale, declare_experiment, nearest
from grokscope.experiments.why_clipping.claim import AnsweredClaim, Claim
from grokscope.experiments.why_clipping.declared import declared_claims
from grokscope.experiments.why_clipping.page import TITLE, write_report
from grokscope.experiments.why_clipping.scale import SCALES
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.why_clipping.training import train, unfinished
from grokscope.sweeps.board import Watcher


def why_clipping(
    size: str = "published",
    *,
    runs: Path | None = None,
    out: Path | None = None,
    only: Sequence[str] = (),
    workers: int | None = None,
    training: bool = True,
    watch: Watcher | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Path, list[AnsweredClaim]]:
    """Train what is missing, look at it, and write the report; returns its page and the claims.

    Started again, it trains what has not ended and analyses what is not kept.

    Arguments:
        size: `published`, or `small` (minutes; its answers mean nothing).
        runs: where runs are; left out: checkpoints/why-clipping, or -small.
        out: the report's folder; left out: reports/why-clipping, or -small.
        only: names of claims, if not all of them.
        workers: as for `run_sweep`.
        training: False: train nothing, and report on the runs that have ended. The page names those that have not.
        watch: as for `run_sweep`.
        say: called with a line before each thing that is done.

    Raises `ConfigError` for names that are not accepted; ValueError where runs that a claim needs have not ended;
    as `run_sweep` does.
    """
    chosen = _chosen(only)
    check_scale(size)
    scale_ = SCALES[size]
    study = Study(scale_, scale_.runs if runs is None else runs)
    failed = []
    if training:
        failed = [outcome.name for outcome in train(study, workers, watch, say) if outcome.standing == "failed"]
    missing = list(dict.fromkeys([*failed, *unfinished(study)]))
    answered = []
    for claim in chosen:
        say(f"claim {claim.name}")
        answered.append(claim(study))
    say("writing the report")
    return write_report(study, answered, scale_.report if out is None else out, missing), answered


def _chosen(only: Sequence[str]) -> list[Claim]:
    known = declared_claims()
    for name in only:
        if name not in known:
            raise ConfigError(f"there is no claim {name!r}: {nearest(name, list(known))}")
    return [claim for name, claim in known.items() if name in only or not only]


def _start(request: Request) -> Outcome:
    if request.seeds:
        raise ConfigError(
            "seeds are not accepted by why-clipping: those of its arms differ by task and belong to its scale"
        )
    page, answered = why_clipping(
        request.scale,
        runs=request.runs,
        out=request.out,
        only=request.only,
        workers=request.workers,
        training=request.training,
        watch=request.watch,
        say=request.say,
    )
    verdicts = [(str(claim.number), claim.question, claim.verdict) for claim in answered]
    return Outcome(("", "claim", "verdict"), verdicts, (f"report: {page}",))


WHY_CLIPPING = declare_experiment(Experiment("why-clipping", TITLE, lambda: tuple(declared_claims()), _start))
