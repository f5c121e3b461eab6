"""How templates of pages are read, and how figures are put into a page."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from grokscope.figures import files, style

TEMPLATES = "report/templates"


class Picture(NamedTuple):
    """A figure in a page."""

    source: Markup
    """The PNG as a data URI, so that the page needs no other file."""
    width: float
    """In percent of the width of the page. All figures are shown at one scale, so that their type is of one size."""


def environment() -> Environment:
    """The templates of this package. Values are escaped; a name that a template needs and is not given is an error."""
    return Environment(
        # Not select_autoescape: that goes by the ending, and does not know .j2.
        loader=PackageLoader("grokscope", TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=unbroken,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def unbroken(value: object) -> object:
    """A value that a page shows, with no line broken inside x · y and the like, nor inside n = 5.

    Their spaces become no-break spaces. Markup is left as it is, since scripts and addresses are written so.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return _FORMULA.sub(lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), value)


_FORMULA = re.compile(r"\b[A-Za-z] (?:[·*/+−-] [A-Za-z]\b|[=<>≤≥] [−-]?\d)")


def pictures(images: Mapping[str, bytes]) -> dict[str, Picture]:
    """Figures by name, as a page shows them.

    Args:
        images: PNGs by name.
    """
    page = files.PNG_DPI * style.PAGE
    return {
        name: Picture(
            Markup("data:image/png;base64,") + b64encode(png).decode(),
            min(100.0, 100 * int.from_bytes(png[16:20]) / page),  # a PNG's width is in its header
        )
        for name, png in images.items()
    }
