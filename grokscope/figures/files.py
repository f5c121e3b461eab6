"""Figures as files: PNG and PDF, with the table that was drawn beside them as CSV."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TypeVar

import matplotlib as mpl
import pandas as pd
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure

from grokscope.disk.files import write_atomic
from grokscope.disk.tables import csv_bytes

PNG_DPI = 200
FORMATS = ("png", "pdf", "csv")
_pdf_fonts = Lock()
Canvas = TypeVar("Canvas", bound=FigureCanvasBase)


def save(figure: Figure, table: pd.DataFrame, directory: Path, name: str) -> dict[str, Path]:
    """Write `name`.png (200 dpi), `name`.pdf and, with the figure's table, `name`.csv; each whole or not.

    Returns the paths by format. The same figure and table give the same bytes. Raises ValueError for a name
    that is not letters, digits, `_`, `-` and `.`, beginning with a letter or digit.
    """
    return write(render(figure, table), directory, name)


def render(figure: Figure, table: pd.DataFrame) -> dict[str, bytes]:
    """The contents of a figure's files, by format."""
    engine = figure.get_layout_engine()
    contents = {"png": png(figure)}
    # Laying a figure out takes as long as drawing it, and would only find the same places again.
    figure.set_layout_engine("none")
    try:
        contents["pdf"] = pdf(figure)
    finally:
        figure.set_layout_engine(engine)
    return contents | {"csv": csv_bytes(table)}


def write(contents: dict[str, bytes], directory: Path, name: str) -> dict[str, Path]:
    """Write rendered files under one name, and return their paths. Raises as `save` does."""
    check_figure_name(name)
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    paths = {ending: directory / f"{name}.{ending}" for ending in contents}
    for ending, path in paths.items():
        write_atomic(path, contents[ending])
    return paths


def check_figure_name(name: str) -> str:
    """The name, if files of a figure can have it. Raises ValueError if not."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(
            f"figure name {name!r} is not accepted: use letters, digits, _, - and ., a letter or digit first"
        )
    return name


def png(figure: Figure) -> bytes:
    """The figure as a PNG on white."""
    buffer = io.BytesIO()
    with _canvas(FigureCanvasAgg, figure) as canvas:
        figure.dpi = PNG_DPI
        canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def pdf(figure: Figure) -> bytes:
    """The figure as a PDF with its text as TrueType, which journals ask for."""
    buffer = io.BytesIO()
    # The one global setting that can be reached in no other way.
    with _pdf_fonts, _canvas(FigureCanvasPdf, figure) as canvas:
        before = mpl.rcParams["pdf.fonttype"]
        mpl.rcParams["pdf.fonttype"] = 42
        try:
            canvas.print_pdf(buffer, metadata={"CreationDate": None})
        finally:
            mpl.rcParams["pdf.fonttype"] = before
    return buffer.getvalue()


@contextmanager
def _canvas(kind: type[Canvas], figure: Figure) -> Iterator[Canvas]:
    """A canvas for the figure, on white; then the figure is as it was.

    `Figure.savefig` draws a figure twice, the first time only to lay it out. A canvas lays it out as it draws it.
    """
    before, dpi, colour = figure.canvas, figure.dpi, figure.get_facecolor()
    try:
        canvas = kind(figure)
        figure.set_facecolor("white")
        yield canvas
    finally:
        figure.dpi = dpi
        figure.set_facecolor(colour)
        figure.set_canvas(before)
