"""The checkpoints of an import, one by one, in the form that weights have here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from grokscope.config import RunConfig
from grokscope.importing.contents import no_plain_values
from grokscope.importing.copies import copies, ignored
from grokscope.importing.files import ForeignFile, ForeignReader, Place
from grokscope.importing.fitting import Fitted, WeightsError, fitted, reordered
from grokscope.importing.layout import Layout
from grokscope.tasks import Task


@dataclass(frozen=True)
class Checkpoint:
    """A state dict as it was found, without what is no part of the network."""

    file: ForeignFile
    tensors: dict[str, Tensor]
    skipped: dict[str, str]
    """What else is in the file, and what it is."""
    series: str | None
    """As in `Place`."""

    @property
    def record(self) -> dict[str, Any]:
        """Where it is from, in JSON values."""
        file = self.file
        return {"file": file.path.name, "bytes": file.bytes, "sha256": file.sha256, "entry": file.entry}

    @property
    def notes(self) -> list[str]:
        """Where in the file it was found."""
        notes = [f"{self.file.prefix!r} was taken off all names"] if self.file.prefix else []
        if self.series:
            notes.append(f"the checkpoints are those in {self.series!r} of the file")
        elif self.series is None and self.file.entry:
            notes.append(f"the state dict is the entry {self.file.entry!r} of the file")
        copied = [f"{name} ({what})" for name, what in self.skipped.items() if what.startswith("a copy of ")]
        if copied:
            notes.append(f"left out: {', '.join(copied)}")
        return notes

    def without_tensors(self) -> Checkpoint:
        """What is to be said of it, without its weights."""
        return Checkpoint(replace(self.file, tensors={}), {}, self.skipped, self.series)


class Checkpoints:
    """Reads the checkpoints of an import, all in one layout.

    Arguments:
        places: where they are, each with its step, by increasing step.
        ignore: names or patterns of entries that are left out.
        equals: as in `import_run`.
    """

    def __init__(self, places: Sequence[Place], ignore: Sequence[str], equals: int | None) -> None:
        self.places, self.ignore, self.equals = places, ignore, equals
        self.steps = [place.step or 0 for place in places]
        self.layout = Layout()
        self.seen: dict[str, None] = {}
        """Names of all entries of the checkpoints that were read."""
        self._reader = ForeignReader()

    def read(self, place: Place) -> Checkpoint:
        """What is at a place. Raises `WeightsError`, naming it."""
        file = self._reader.read(place.path, place.entry)
        self.seen |= dict.fromkeys(file.tensors)
        left_out = ignored(file.tensors, self.ignore)
        tensors = {name: value for name, value in file.tensors.items() if name not in left_out}
        odd = [f"{name} is {why}" for name, value in tensors.items() if (why := no_plain_values(value)) is not None]
        if odd:
            raise WeightsError(f"{place}: {'; '.join(odd)}: use dense floating-point weights")
        try:
            copied = copies(tensors)
        except WeightsError as error:
            raise WeightsError(f"{place}: {error}") from None
        skipped = {
            **file.skipped,
            **place.others,
            **dict.fromkeys(sorted(left_out), "left out, as was asked"),
            **copied,
        }
        kept = {name: value for name, value in tensors.items() if name not in copied}
        return Checkpoint(file, kept, skipped, place.series)

    def fitted(
        self, place: Place, config: RunConfig, task: Task, layout: Layout | None = None, sha256: str | None = None
    ) -> tuple[Checkpoint, Fitted]:
        """A checkpoint and its weights. Raises `WeightsError` naming the file, also where it is not what it was."""
        found = self.read(place)
        if sha256 not in (None, found.file.sha256):
            raise WeightsError(f"{place.path} has changed while it was imported: import it again")
        try:
            tensors = (self.layout if layout is None else layout).apply(found.tensors)
            tensors = tensors if self.equals is None else reordered(tensors, task, self.equals)
            return found, fitted(tensors, config.model, task)
        except WeightsError as error:
            raise WeightsError(f"{place}: {error}") from None
