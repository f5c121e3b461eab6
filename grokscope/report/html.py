"""What the pages of this package share: how templates are read, and figures put into a page."""

from __future__ import annotations

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
    """As a data URI."""
    width: float
    """In percent of the page's: figures are shown at one scale, for type of one size."""


def environment() -> Environment:
    """Templates of this package; what is put into them is escaped, and a name that they lack is an error."""
    return Environment(
        # Not select_autoescape: that goes by the ending, and does not know .j2.
        loader=PackageLoader("grokscope", TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def pictures(images: Mapping[str, bytes]) -> dict[str, Picture]:
    """PNGs by name, as a page shows them."""
    page = files.PNG_DPI * style.PAGE
    return {
        name: Picture(
            Markup("data:image/png;base64,") + b64encode(png).decode(),
            min(100.0, 100 * int.from_bytes(png[16:20]) / page),  # a PNG's width is in its header
        )
        for name, png in images.items()
    }
