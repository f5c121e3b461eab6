"""A run out of a network that was trained elsewhere: files of weights in, a finished run directory out.

    run = import_run("model.pt", task="group", elements=order, product="ab", activation="relu")

The weights are those of a `HookedTransformer`. What shapes tell about it is read off the first file unless it is
given; the task, the activation, and a residual stream other than TransformerLens' own are for the user to say.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grokscope.config import ConfigError, RunConfig, override, setting
from grokscope.importing.evaluation import Evaluation
from grokscope.importing.files import ForeignFile, read_foreign
from grokscope.importing.fitting import Fitted, WeightsError, fitted, nonzero_biases, reordered
from grokscope.importing.settings import full_names, import_config, split_words, steps_of
from grokscope.model import Weights
from grokscope.runs import Run, RunWriter, create_run, open_run, run_name
from grokscope.runs.layout import check_new_path
from grokscope.tasks import Task, build_task


def import_run(
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    config: RunConfig | Mapping[str, Any] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    steps: Sequence[int] | None = None,
    entry: str | None = None,
    equals: int | None = None,
    own_split: bool = False,
    **settings: Any,
) -> Run:
    """Make a finished run out of checkpoints of a network that was trained elsewhere.

    Arguments:
        files: state dicts of one network at one or more steps, safetensors or torch.save files. Nothing that
            needs unpickling is accepted, and nothing in a file is executed.
        config: a `RunConfig`, to be taken as it is, or settings, of which those that are left out and that shapes
            tell (layers, widths, heads, LayerNorm, biases, float64, form, output) are read off the first file.
        out: the run directory, which must not exist; left out: `checkpoints/` and a name.
        steps: the step of each file; left out: read from names such as 12000.pt and step_012000.safetensors.
        entry: where in a file with several state dicts the one is, as in "model" or "state_dicts.3".
        equals: the row of `embed.W_E` that stands for `=`, where that is not the first after the elements.
        own_split: the network was trained on the split that `task.train_fraction` and `seed` draw here. Without
            this or `task.train_indices` the split is taken as unknown: all examples count as validation.
        settings: changes by short or full name; `task="group"` is short for `task.name`.

    Returns the run. `Run.imported` says which files, with sha256, what was skipped and what was changed; metrics
    are loss and accuracy of every file on the train and validation examples. Raises `ConfigError` for settings,
    `WeightsError` for files (naming every parameter at fault) and `RunError` for the run directory; nothing is
    left on disk then.
    """
    paths = [Path(files)] if isinstance(files, str | os.PathLike) else [Path(file) for file in files]
    if not paths:
        raise ConfigError("name the files to import: checkpoints of one network")
    step_of, notes = steps_of(paths, steps)
    paths.sort(key=step_of.__getitem__)
    given = full_names(settings)
    if isinstance(config, Mapping):
        given = full_names(config) | given
    first = read_foreign(paths[0], entry)
    run_config, read_off = import_config(config, given, first, own_split)
    last = max(step_of.values())
    if "training.steps" not in given:
        run_config = override(run_config, {"training.steps": max(last, 1)})
    task = build_task(run_config.task)
    checked, run_config = _check(paths, entry, equals, run_config, read_off, task)
    path = check_new_path(Path("checkpoints", run_name(run_config)) if out is None else out)
    evaluation = Evaluation(run_config, task)
    if read_off:
        shown = ", ".join(f"{name} = {setting(run_config, name)}" for name in sorted(read_off))
        notes.append(f"read off the weights: {shown}")
    notes += dict.fromkeys(note for one in checked for note in one.notes)
    weights = _weights(paths[-1], entry, equals, run_config, task)
    notes += evaluation.doubts(weights)
    record = {
        "files": [{"step": step_of[path], **one.record} for path, one in zip(paths, checked, strict=True)],
        "skipped": {name: what for one in checked for name, what in one.skipped.items()},
        "split": split_words(run_config, own_split),
        "notes": notes,
    }
    with _created(path, run_config, record) as writer:
        for file, one in zip(paths, checked, strict=True):
            weights = _weights(file, entry, equals, run_config, task, one.record["sha256"])
            writer.checkpoint(step_of[file], weights)
            writer.log({"step": step_of[file], **evaluation.metrics(weights)})
        writer.finish("finished", f"imported from {len(paths)} file{'s' if len(paths) > 1 else ''}")
    return open_run(path)


@dataclass(frozen=True)
class _Checked:
    """What is kept of a file that was looked at."""

    record: dict[str, Any]
    skipped: dict[str, str]
    notes: tuple[str, ...]


def _check(
    paths: Sequence[Path], entry: str | None, equals: int | None, config: RunConfig, read_off: set[str], task: Task
) -> tuple[list[_Checked], RunConfig]:
    """Look at all files before anything is written; the config comes back with the biases that any of them uses."""
    checked, used = [], {name: False for name in ("model.biases", "model.unembed_bias") if name in read_off}
    for path in paths:
        foreign, fit = _read(path, entry, equals, config, task)
        skipped = {**foreign.skipped, **fit.skipped}
        notes = [*fit.notes]
        if foreign.entry:
            notes.append(f"the state dict is the entry {foreign.entry!r} of the file")
        if foreign.prefix:
            notes.append(f"{foreign.prefix!r} was taken off all names")
        record = {"file": path.name, "bytes": foreign.bytes, "sha256": foreign.sha256, "entry": foreign.entry}
        checked.append(_Checked(record, skipped, tuple(notes)))
        for name, value in nonzero_biases(fit.weights).items():
            if name in used:
                used[name] |= value
    return checked, override(config, used)


def _read(
    path: Path, entry: str | None, equals: int | None, config: RunConfig, task: Task
) -> tuple[ForeignFile, Fitted]:
    """A file and its weights in the form that they have here. Raises `WeightsError` naming the file."""
    foreign = read_foreign(path, entry)
    try:
        tensors = foreign.tensors if equals is None else reordered(foreign.tensors, task, equals)
        return foreign, fitted(tensors, config.model, task)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None


def _weights(
    path: Path, entry: str | None, equals: int | None, config: RunConfig, task: Task, sha256: str | None = None
) -> Weights:
    foreign, fit = _read(path, entry, equals, config, task)
    if sha256 not in (None, foreign.sha256):
        raise WeightsError(f"{path} has changed while it was imported: import it again")
    return fit.weights


@contextmanager
def _created(path: Path, config: RunConfig, record: Mapping[str, Any]) -> Iterator[RunWriter]:
    """A new run, which is removed with the directories made for it if the block fails."""
    made = [folder for folder in path.parents if not folder.exists()]
    writer = create_run(path, config, record)
    try:
        with writer:
            yield writer
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):
            for folder in made:
                folder.rmdir()
        raise
