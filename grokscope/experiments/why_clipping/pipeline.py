"""From sweep to report."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

from grokscope.config import ConfigError
from grokscope.experiments.why_clipping.claim import Claim
from grokscope.experiments.why_clipping.claims import (
    angles,
    circuit,
    dose,
    entropy,
    headline,
    methods,
    precision,
    scale,
    tensors,
    window,
)
from grokscope.experiments.why_clipping.page import write_report
from grokscope.experiments.why_clipping.scale import SCALES
from grokscope.experiments.why_clipping.study import Study
from grokscope.experiments.why_clipping.training import train, unfinished
from grokscope.sweeps.board import Watcher

CLAIMS: dict[str, Callable[[Study], Claim]] = {
    module.__name__.rpartition(".")[2]: module.claim
    for module in (headline, tensors, scale, precision, angles, dose, circuit, entropy, window, methods)
}
"""In the order of their numbers, by the name that `only` takes."""


def why_clipping(
    size: str = "published",
    *,
    runs: Path | None = None,
    out: Path | None = None,
    only: Sequence[str] = (),
    workers: int | None = None,
    training: bool = True,
    watch: Watcher | None = None,
    say: Callable[[str], None] = lambda told: None,
) -> tuple[Path, list[Claim]]:
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
        say: told what is done next.

    Raises `ConfigError` for names that are not accepted; ValueError where runs that a claim needs have not ended;
    as `run_sweep` does.
    """
    chosen = _chosen(only)
    if size not in SCALES:
        raise ConfigError(f"scale = {size!r} is not accepted: use {' or '.join(SCALES)}")
    scale_ = SCALES[size]
    study = Study(scale_, scale_.runs if runs is None else runs)
    failed = []
    if training:
        failed = [outcome.name for outcome in train(study, workers, watch, say) if outcome.standing == "failed"]
    missing = list(dict.fromkeys([*failed, *unfinished(study)]))
    found = []
    for name in chosen:
        say(f"claim {name}")
        found.append(CLAIMS[name](study))
    say("writing the report")
    return write_report(study, found, scale_.report if out is None else out, missing), found


def _chosen(only: Sequence[str]) -> list[str]:
    for name in only:
        if name not in CLAIMS:
            near = difflib.get_close_matches(name, CLAIMS, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"use some of {', '.join(CLAIMS)}"
            raise ConfigError(f"there is no claim {name!r}: {hint}")
    return [name for name in CLAIMS if name in only or not only]
