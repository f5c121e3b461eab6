"""From the repository to the site."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from docs_site.api import missing_names
from docs_site.assemble import whole_site, write_sources
from docs_site.checks import Site, problems
from docs_site.notebooks import ESCAPES
from docs_site.pages import ROOT, Group

WARNING = re.compile(r"\bwarn|\berror", re.IGNORECASE)


class BuildError(RuntimeError):
    """The site generator failed, or warned."""


def build_site(out: Path) -> int:
    """Build the site into a folder, in place of what is there, and say what is wrong with it; returns the exit code."""
    try:
        with TemporaryDirectory(prefix="grokscope-docs-") as work:
            built = built_site(whole_site(), Path(work))
            shutil.rmtree(out, ignore_errors=True)
            shutil.move(built, out)
    except (BuildError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    site = Site(out)
    found = [*problems(site), *missing_names(site.ids())]
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    sys.stdout.write(f"{out / 'index.html'}{f': {len(found)} problems' if found else ''}\n")
    return 1 if found else 0


def built_site(site: Group, work: Path) -> Path:
    """The folder of the site that the generator makes of some pages.

    Raises `BuildError` where it fails or warns, with all that it said.
    """
    settings = write_sources(site, work)
    # The generator asks griffe for the extension, which is a module of this repository.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "--config-file", str(settings)]
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    said = ESCAPES.sub("", done.stdout + done.stderr)
    if done.returncode or WARNING.search(said):
        raise BuildError(f"{' '.join(command[1:])} failed or warned:\n{said}")
    return work / "site"
