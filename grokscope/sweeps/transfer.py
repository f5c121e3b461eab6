"""A run directory as files that can be sent: to a node that shares no path with the sweep, and back while it trains.

What is sent of a directory that is being written to is a run that can be resumed, whatever is written meanwhile: the
resume state is read first, and all that it implies (see `RunWriter`) is on disk by then. What is read after it may be
ahead of it, as after a kill.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from grokscope.disk.files import digest, write_atomic
from grokscope.runs import RunError
from grokscope.runs.layout import CHECKPOINTS, CONFIG, MANIFEST, METRICS, PROBES, SEALS, STATE, STATUS
from grokscope.runs.manifest import manifest_data, parse_manifest

Files = dict[str, bytes]
"""Content by path relative to the run directory."""

_TRIES = 20


def read_files(run: Path, sent: Collection[str] = ()) -> Files:
    """The files of a run, without the checkpoints among `sent`, in an order in which they may be written.

    Raises `RunError` where they cannot be read.
    """
    state = _state(run)
    # What is sealed is there, and what is read later is no less.
    seals = (run / SEALS).read_bytes()
    seals = seals[: seals.rfind(b"\n") + 1]
    manifest = manifest_data(run, None)
    manifest = manifest[: manifest.rfind(b"\n") + 1]
    # After the manifest was read, so that what is sent is no less than it lists.
    names = [entry.file for entry in parse_manifest(run, manifest)[0].values()]
    files = {name: (run / name).read_bytes() for name in names if name not in sent}
    files[MANIFEST] = manifest
    for name in (METRICS, PROBES):
        with suppress(FileNotFoundError):
            data = (run / name).read_bytes()
            files[name] = data[: data.rfind(b"\n") + 1]
    # The logs before their seals, so that a kill while they are written leaves none shorter than it should be.
    return files | {SEALS: seals} | state | {name: (run / name).read_bytes() for name in (CONFIG, STATUS)}


def _state(run: Path) -> Files:
    """The two files of the resume state, as they belong together; none if there is no state."""
    for _ in range(_TRIES):
        try:
            record = (run / STATE).read_bytes()
        except FileNotFoundError:
            return {}
        values = json.loads(record)
        with suppress(FileNotFoundError):
            tensors = (run / values["file"]).read_bytes()
            if digest(tensors) == values["sha256"]:
                return {values["file"]: tensors, STATE: record}
        # It has been replaced between the two readings: once more.
    raise RunError(f"{run / STATE} does not belong to the file that it names")


def write_files(run: Path, files: Mapping[str, bytes]) -> None:
    """Write what `read_files` read, a file at a time, so that a kill leaves a run that can be resumed."""
    (run / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        if name.startswith("state.") and name != STATE:
            # Should the recorded state be in a file of this name, it is not that state any more.
            (run / STATE).unlink(missing_ok=True)
        write_atomic(run / name, data)
        if name == STATE:
            for other in run.glob("state.*.safetensors"):
                if other.name not in files:
                    other.unlink()
