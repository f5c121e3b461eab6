"""What the benchmarks' commands are asked alike."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

from benchmarks.smallest import HELP


def command_line(
    about: str | None,
    *,
    rounds: int | None = None,
    steps: int | None = None,
    out: Path | None = None,
    out_help: str | None = None,
    smallest: str = HELP,
) -> ArgumentParser:
    """A parser with `--smallest`, and with what is given a default here.

    Args:
        about: the docstring of the benchmark.
        rounds: how often each contestant has its turn.
        steps: how many optimizer steps a turn has.
        out: where the result goes.
        out_help: what is written there, where that is more than one JSON file.
        smallest: what the smallest size leaves out.
    """
    made = ArgumentParser(description=about, formatter_class=RawDescriptionHelpFormatter)
    if rounds is not None:
        made.add_argument("--rounds", type=int, default=rounds)
    if steps is not None:
        made.add_argument("--steps", type=int, default=steps)
    if out is not None:
        made.add_argument("--out", type=Path, default=out, help=out_help)
    made.add_argument("--smallest", action="store_true", help=smallest)
    return made
