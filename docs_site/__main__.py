"""The commands that make the documentation site.

python -m docs_site build                     # the site, from what is in the repository: make docs
python -m docs_site gallery                   # the pictures of the gallery, from two runs: make gallery
python -m docs_site gallery --scale small     # from two tiny runs, to show in seconds that it works
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from docs_site.pages import DOCS, ROOT


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    parser = ArgumentParser(prog="python -m docs_site")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build the site")
    build.add_argument("--out", type=Path, default=ROOT / "site", help="the folder of the site")
    gallery = commands.add_parser("gallery", help="train the two runs of the gallery and draw every figure")
    gallery.add_argument("--scale", choices=("published", "small"), default="published")
    gallery.add_argument("--runs", type=Path, default=ROOT / "checkpoints" / "gallery", help="where the runs go")
    gallery.add_argument("--out", type=Path, default=DOCS / "gallery", help="where the pictures go")
    given = parser.parse_args(words)
    if given.command == "gallery":
        from docs_site.draw import make_gallery
        from docs_site.runs import PUBLISHED, SMALL

        runs = given.runs / "small" if given.scale == "small" else given.runs
        if given.scale == "small" and given.out == DOCS / "gallery":
            parser.error("--scale small needs --out: its pictures are not for the site")
        make_gallery(SMALL if given.scale == "small" else PUBLISHED, runs, given.out)
        return 0
    from docs_site.build import build_site

    return build_site(given.out)


if __name__ == "__main__":
    sys.exit(main())
