"""experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from grokscope.cli.output import print_table, say
from grokscope.cli.sweeping import Display
from grokscope.config import ConfigError

NAMES = ("why-clipping",)


def experiment(
    name: Positional[str],
    scale: Literal["small", "published"] = "published",
    runs: Path | None = None,
    out: Path | None = None,
    only: tuple[str, ...] = (),
    workers: int | None = None,
    report_only: bool = False,
) -> int:
    """Run an experiment from sweep to report; started again, it goes on where it was.

    Args:
        name: why-clipping: ten possible reasons why clipping makes networks grok sooner.
        scale: small takes minutes and shows that everything works; published takes hours.
        runs: Where the runs go; left out: checkpoints/ and the experiment's name.
        out: Where the report goes; left out: reports/ and the experiment's name.
        only: Names of claims, if not all: headline tensors scale precision angles dose circuit entropy window methods.
        workers: Runs trained at a time; left out: one per core.
        report_only: Train nothing; report on the runs that there are.
    """
    if name not in NAMES:
        raise ConfigError(f"there is no experiment {name!r}: use {', '.join(NAMES)}")
    from grokscope.experiments.why_clipping import why_clipping

    with Display() as display:
        page, claims = why_clipping(
            scale,
            runs=runs,
            out=out,
            only=only,
            workers=workers,
            training=not report_only,
            watch=display.show,
            say=say,
        )
    print_table(("", "claim", "verdict"), [(str(claim.number), claim.question, claim.verdict) for claim in claims])
    say(f"report: {page}")
    return 0
