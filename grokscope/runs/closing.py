"""The seal of a run that a process leaves: of every file that it has then."""

from __future__ import annotations

from pathlib import Path

from grokscope.config import RunConfig
from grokscope.runs.file_record import FileRecord
from grokscope.runs.layout import MANIFEST
from grokscope.runs.manifest import parse_manifest
from grokscope.runs.metrics import metric_rows
from grokscope.runs.reached import milestones
from grokscope.runs.record import State
from grokscope.runs.seals import LOGS, WHOLE, SealWriter, read_seals
from grokscope.runs.summary import summary


def seal_closed(path: Path, config: RunConfig, status: State, step: int | None) -> None:
    """Seal every file of a run as it is now, beside the row that a listing shows of it. Raises OSError and `RunError`.

    Files are read, not remembered: they may have been put here by another process, which trained the run elsewhere.
    """
    contents = {file: (path / file).read_bytes() for file in (*LOGS, *WHOLE) if (path / file).exists()}
    records = {file: FileRecord.of(file, content) for file, content in contents.items()}
    seals = read_seals(path)
    begun_here = seals is None or not ({"imported", "parent"} & seals.created_as.keys())
    steps = parse_manifest(path, contents[MANIFEST])[0]
    reached = milestones(metric_rows(path), history_known=begun_here)
    writer = SealWriter(path)
    try:
        writer.add(
            "closed",
            step,
            whole=[record for file, record in records.items() if file in WHOLE],
            start=[record for file, record in records.items() if file in LOGS],
            more={"listing": summary(config, steps, status, reached)},
        )
    finally:
        writer.close()
