"""The pictures of the gallery, and a record of the tables that they are drawn from."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from PIL import Image

import grokscope as gs
from docs_site.declared import condition, own_analyses, own_plates
from docs_site.record import Column, Drawn, Picture, Record, ShownRun, Table
from docs_site.runs import Shown, others, trained
from grokscope.analysis import milestones, run_all
from grokscope.disk.files import write_atomic
from grokscope.figures.files import PNG_DPI, png
from grokscope.figures.plates import DeclaredPlate

WIDEST, COLOURS = 1200, 256
"""Pixels and colours of a picture: what keeps all of them at a few megabytes."""
SHOWN_DPI = 100
"""Pixels of a page that an inch of a figure takes."""
SMALLER = {"learning_coefficient": {"checkpoints": 1, "draws": 4, "burn_in": 2, "chains": 1}}
"""Arguments of analyses that take minutes, whose columns are wanted here and nothing else."""


def make_gallery(shown: Sequence[Shown], runs_folder: Path, out: Path) -> Record:
    """Train what is missing, draw every figure of each run, and write pictures and record to a folder.

    Pictures of the folder that are not drawn any more are deleted.
    """
    out.mkdir(parents=True, exist_ok=True)
    runs = trained(shown, runs_folder)
    extra = others(runs_folder)
    tables = [_tables(run) for run in runs]
    figures = {name: _drawn(plate, runs, tables, out) for name, plate in own_plates().items()}
    record = Record(
        tuple(
            ShownRun(run.name, one.about, one.command, run.steps[-1], run.grok_step)
            for one, run in zip(shown, runs, strict=True)
        ),
        {name: _described(name, runs, tables, extra) for name in own_analyses()},
        figures,
    )
    kept = {picture.file for drawn in figures.values() for picture in drawn.pictures}
    for file in out.glob("*.png"):
        if file.name not in kept:
            file.unlink()
    record.save(out)
    return record


def _tables(run: gs.Run) -> dict[str, pd.DataFrame]:
    """Every table of a run, those on request too, but for what takes minutes."""
    names = [name for name, each in own_analyses().items() if each.applies(run) and name not in SMALLER]
    return run_all([run], names, workers=2, progress=True)


def _described(
    name: str, runs: Sequence[gs.Run], tables: Sequence[dict[str, pd.DataFrame]], extra: Sequence[gs.Run]
) -> Table:
    """The columns of an analysis, from the first run that has it."""
    analysis = own_analyses()[name]
    for run, of_run in zip(runs, tables, strict=True):
        if name in of_run:
            return _of_table(analysis.version, run.name, of_run[name])
    if name in SMALLER:
        return _of_table(analysis.version, runs[0].name, analysis(runs[0], **SMALLER[name]))
    having = [run for run in extra if analysis.applies(run)]
    if not having:
        raise ValueError(f"no run of the gallery has the analysis {name}: add one to docs_site.runs.others")
    # A branch is looked at beside its parent.
    table = analysis(having if name != "branches" else list(extra))
    return _of_table(analysis.version, having[0].name, table)


def _of_table(version: int, run: str, table: pd.DataFrame) -> Table:
    columns = tuple(Column(name, str(table[name].dtype), _example(table, name)) for name in table.columns)
    return Table(version, run, len(table), columns)


def _example(table: pd.DataFrame, column: str) -> str:
    """The last value of a column that is not missing, to four digits."""
    there = table[column].dropna()
    if there.empty:
        return ""
    value = there.iloc[-1]
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _drawn(plate: DeclaredPlate, runs: Sequence[gs.Run], tables: Sequence[dict[str, pd.DataFrame]], out: Path) -> Drawn:
    """The pictures of a figure, of each run by itself."""
    pictures, reasons = [], []
    for number, (run, of_run) in enumerate(zip(runs, tables, strict=True), 1):
        name = next((name for name in plate.tables if name in of_run), None)
        if name is None:
            last = own_analyses()[plate.tables[-1]]
            reasons.append(f"{run.name} has no table {last.name}, which asks: {condition(last)}")
            continue
        drawn = plate.draw(of_run[name], milestones([run]), [run])
        if not drawn:
            reasons.append(f"The table {name} of {run.name} has no rows that this figure draws.")
        for count, one in enumerate(drawn, 1):
            file = f"{plate.name}-{number}{f'-{count}' if len(drawn) > 1 else ''}.png"
            content, size = small(png(one.figure))
            write_atomic(out / file, content)
            pictures.append(Picture(file, run.name, one.caption, *size))
    return Drawn(tuple(pictures), tuple(reasons))


def small(content: bytes) -> tuple[bytes, tuple[int, int]]:
    """A picture for a page, as PNG with few colours, and the size at which a page shows it."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    size = (image.width * SHOWN_DPI // PNG_DPI, image.height * SHOWN_DPI // PNG_DPI)
    if image.width > WIDEST:
        image = image.resize((WIDEST, round(image.height * WIDEST / image.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue(), size
