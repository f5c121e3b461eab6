"""What the gallery command wrote down: the two runs, the columns of every table, the pictures of every figure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from grokscope.disk import write_json

FILE = "record.json"


@dataclass(frozen=True)
class ShownRun:
    """One of the runs of the gallery."""

    name: str
    about: str
    """Its task, and how it was trained, in a few words."""
    command: str
    """What trains it from the shell."""
    steps: int
    grok_step: int | None


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    dtype: str
    example: str
    """A value that stands in it."""


@dataclass(frozen=True)
class Table:
    """The table of an analysis."""

    version: int
    run: str
    """The run that it is of."""
    rows: int
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Picture:
    """A picture of the gallery."""

    file: str
    run: str
    caption: str
    width: int
    height: int


@dataclass(frozen=True)
class Drawn:
    """What became of a figure."""

    pictures: tuple[Picture, ...]
    not_drawn: tuple[str, ...]
    """Why a run has none, in a sentence for each."""


@dataclass(frozen=True)
class Record:
    """All that the gallery command leaves beside its pictures."""

    runs: tuple[ShownRun, ...]
    tables: dict[str, Table]
    """By name of the analysis."""
    figures: dict[str, Drawn]
    """By name of the plate."""

    def save(self, folder: Path) -> None:
        write_json(folder / FILE, asdict(self))


def load_record(folder: Path) -> Record:
    """The record in a folder of pictures."""
    read = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return Record(
        tuple(ShownRun(**run) for run in read["runs"]),
        {
            name: Table(**{**table, "columns": tuple(Column(**column) for column in table["columns"])})
            for name, table in read["tables"].items()
        },
        {
            name: Drawn(tuple(Picture(**picture) for picture in drawn["pictures"]), tuple(drawn["not_drawn"]))
            for name, drawn in read["figures"].items()
        },
    )
