"""The scrubber as HTML: a fragment for a page, or a page of its own. Neither needs any other file."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment
from markupsafe import Markup

from grokscope.disk import check_file, disk_errors, write_atomic
from grokscope.report.html import TEMPLATES, environment
from grokscope.report.scrubber.data import scrubber_data

if TYPE_CHECKING:
    from grokscope.runs import Run


def scrubber(runs: Sequence[Run], *, library: bool = True) -> Markup:
    """An HTML fragment with a slider over the training of up to three runs of one task, side by side and in step.

    For every run: signal, memory and noise; the spectrum of the embedding in the basis of the task's group; for a
    cyclic group the embedding on the planes of its two leading key frequencies; norms by parameter group; accuracy and
    loss. A task without a group has neither spectrum nor planes.

    Args:
        runs: one to three, of one task, in the order in which they are to be shown.
        library: with plotly (4.6 MB) and the fragment's style and script. A page needs them once, with the first
            fragment; leave them out of the others.

    The page must let the scripts run: `scrubber_script_sources` says what its Content-Security-Policy has to name.
    Raises ValueError as `scrubber_data` does.
    """
    template = _environment().get_template("scrubber.html.j2")
    return Markup(template.render(data=scrubber_data(runs), library=_library() if library else None))


def scrubber_page(runs: Sequence[Run], path: str | os.PathLike[str], *, title: str | None = None) -> Path:
    """Write a page that holds nothing but the scrubber of some runs, and return its path.

    Raises ValueError as `scrubber_data` does; `DiskError`, before anything is computed, where the page cannot be
    written.
    """
    path = Path(path)
    check_file(path)
    fragment = scrubber(runs)
    page = _environment().get_template("scrubber_page.html.j2").render(
        title=title or f"{runs[0].task.name}: training, step by step",
        fragment=fragment,
        script_sources=scrubber_script_sources(),
    )  # fmt: skip
    with disk_errors(f"write page {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, page.encode())
    return path


def scrubber_script_sources() -> str:
    """The scripts of the fragment as sources of a Content-Security-Policy: `script-src` and their digests."""
    library = _library()
    digests = (hashlib.sha256(library[name].encode()).digest() for name in ("plotly", "script"))
    return " ".join(["script-src", *(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)])


@cache
def _library() -> dict[str, Markup]:
    """What a page needs once, whatever the number of its scrubbers: the style, plotly, and the script."""
    from plotly.offline import get_plotlyjs  # here, for it takes a while

    folder = files("grokscope") / TEMPLATES
    texts = {
        "style": (folder / "scrubber.css").read_text("utf-8"),
        "plotly": get_plotlyjs().replace("\r\n", "\n"),  # as a browser reads it, whose digest is compared
        "script": (folder / "scrubber.js").read_text("utf-8"),
    }
    return {name: Markup(text) for name, text in texts.items()}


def _environment() -> Environment:
    templates = environment()
    templates.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    templates.filters["steps"] = lambda step: f"{step:,}"
    return templates
