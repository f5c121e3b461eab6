"""Pictures of the gallery on a page."""

from __future__ import annotations

import html
from pathlib import Path

from docs_site.docstrings import escaped
from docs_site.pages import DOCS, relative
from docs_site.record import Picture, Record

GALLERY = "gallery"
"""The folder of the pictures, in `docs/` and on the site."""


def title_of(plate: str) -> str:
    """What a figure is called on a page."""
    return plate.replace("_", " ").capitalize()


def image(picture: Picture, page: str, what: str) -> str:
    """A picture, of which the page knows the size before it is loaded."""
    target = relative(f"{GALLERY}/{picture.file}", page)
    size = f'loading="lazy" width="{picture.width}" height="{picture.height}"'
    return f"![{html.escape(what)}]({target}){{ {size} .figure }}"


def pictures(plate: str, record: Record, page: str, *, first_only: bool = False) -> tuple[str, dict[str, Path | bytes]]:
    """What there is of a figure, with captions, or why there is nothing; and the files of the pictures.

    Raises ValueError for a figure that the record does not know.
    """
    if plate not in record.figures:
        raise ValueError(f"the gallery does not know the figure {plate!r}: run make gallery")
    drawn = record.figures[plate]
    chosen = drawn.pictures[:1] if first_only else drawn.pictures
    parts = [f"{image(one, page, title_of(plate))}\n\n{caption(one, record)}" for one in chosen]
    if not chosen or not first_only:
        parts += [f"Not drawn: {escaped(reason)}" for reason in drawn.not_drawn]
    return "\n\n".join(parts), {f"{GALLERY}/{one.file}": DOCS / GALLERY / one.file for one in chosen}


def caption(picture: Picture, record: Record) -> str:
    """What is under a picture: of which run it is, and its caption."""
    about = next(run.about for run in record.runs if run.name == picture.run)
    return f"*{escaped(about)}.* {escaped(picture.caption)}\n{{ .caption }}"
