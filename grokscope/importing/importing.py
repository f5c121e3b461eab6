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
from pathlib import Path
from typing import Any

from grokscope.config import ConfigError, RunConfig, override, setting
from grokscope.disk import check_folder
from grokscope.importing.checkpoints import Checkpoint, Checkpoints
from grokscope.importing.copies import check_ignored
from grokscope.importing.evaluation import GOOD, Evaluation, own_table, sampled_accuracy
from grokscope.importing.files import ForeignReader
from grokscope.importing.fitting import Fitted, nonzero_biases
from grokscope.importing.layout import Layout, Way, layout_of
from grokscope.importing.room import check_room
from grokscope.importing.settings import full_names, import_config, known_shape, split_words, with_steps
from grokscope.runs import Run, RunError, RunWriter, create_run, open_run, run_name
from grokscope.runs.layout import check_new_path
from grokscope.runs.opening import remove_unfinished_import
from grokscope.tasks import Task, build_task


def import_run(
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    config: RunConfig | Mapping[str, Any] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    steps: Sequence[int] | None = None,
    entry: str | None = None,
    ignore: str | Sequence[str] = (),
    layout: Way | None = None,
    equals: int | None = None,
    own_split: bool = False,
    from_argmax: bool = False,
    **settings: Any,
) -> Run:
    """Make a finished run out of checkpoints of a network that was trained elsewhere.

    Arguments:
        files: state dicts of one network at one or more steps: safetensors, torch.save or numpy (.npz) files, one
            checkpoint each, or with a list or a mapping by step of many. Nothing in a file is executed: of objects that
            would need it only the name is read.
        config: a `RunConfig`, to be taken as it is, or settings, of which those that are left out and that shapes
            tell (layers, widths, heads, LayerNorm, biases, float64, form, output) are read off the first file.
        out: the run directory, which must not exist, or hold what is left of an import that was killed; left out:
            `checkpoints/` and a name.
        steps: the step of each checkpoint; left out: those that a file with several says, or read from file names such
            as 12000.pt and step_012000.safetensors.
        entry: where in a file with several state dicts the one is, as in "model" or "state_dicts.3", or the list of
            them, "state_dicts".
        ignore: names of entries that are no part of the network, or patterns (`*_embed`).
        layout: which way matrices lie where shapes leave it open: `as_is`, as in TransformerLens, or `turned`. Left
            out: the way in which the network solves its task, or else as they are.
        equals: the row of `embed.W_E` that stands for `=`, where that is not the first after the elements.
        own_split: the network was trained on the split that `task.train_fraction` and `seed` draw here. Without
            this or `task.train_indices` the split is taken as unknown: all examples count as validation.
        from_argmax: the task is the network's own table: the label of every example is what the network answers at
            the last step. The task that is named says then which tokens and examples there are.
        settings: changes by short or full name; `task="group"` is short for `task.name`.

    Returns the run. `Run.imported` says which files, with sha256, what was skipped and what was changed, and the
    accuracy on the whole table at the last step; metrics are loss and accuracy of every checkpoint on the train and
    validation examples. Raises `ConfigError` for settings, `WeightsError` for files (naming every parameter at fault)
    `CapacityError` where the machine has not the memory or disk, and `RunError` for the run directory; nothing is left
    on disk then.
    """
    paths = [Path(files)] if isinstance(files, str | os.PathLike) else [Path(file) for file in files]
    if not paths:
        raise ConfigError("name the files to import: checkpoints of one network")
    ignore = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    if out is not None:
        check_folder(check_new_path(out), RunError)
    reader = ForeignReader()
    places, notes = with_steps([reader.places(path, entry) for path in paths], steps)
    given = full_names(settings)
    if isinstance(config, Mapping):
        given = full_names(config) | given
    checkpoints = Checkpoints(places, ignore, equals)
    first = checkpoints.read(places[0])
    checkpoints.layout = layout_of(first.tensors, *known_shape(config, given), prefer=layout)
    run_config, read_off = import_config(config, given, checkpoints.layout.apply(first.tensors), own_split)
    if "training.steps" not in given:
        run_config = override(run_config, {"training.steps": max(checkpoints.steps[-1], 1)})
    folder = Path("checkpoints") if out is None else Path(out)
    check_room(run_config, len(places), folder, all_logits=from_argmax)
    task = build_task(run_config.task)
    notes += _settle_layout(checkpoints, run_config, task)
    checked, run_config = _check(checkpoints, run_config, read_off, task)
    if from_argmax:
        run_config, said = own_table(run_config, task, checkpoints.fitted(places[-1], run_config, task)[1].weights)
        task = build_task(run_config.task)
        notes.append(said)
    check_ignored(ignore, checkpoints.seen)
    path = check_new_path(Path("checkpoints", run_name(run_config)) if out is None else out)
    evaluation = Evaluation(run_config, task)
    if read_off:
        shown = ", ".join(f"{name} = {setting(run_config, name)}" for name in sorted(read_off))
        notes.append(f"read off the weights: {shown}")
    notes += dict.fromkeys(note for found, fit in checked for note in (*found.notes, *fit.notes))
    weights = checkpoints.fitted(places[-1], run_config, task)[1].weights
    notes += evaluation.doubts(weights)
    digests = [found.record["sha256"] for found, _ in checked]
    record = {
        "files": [{"step": step, **found.record} for step, (found, _) in zip(checkpoints.steps, checked, strict=True)],
        "skipped": {name: what for found, fit in checked for name, what in {**found.skipped, **fit.skipped}.items()},
        "split": split_words(run_config, own_split),
        "accuracy": evaluation.accuracy(weights),
        "notes": notes,
    }
    remove_unfinished_import(path)
    with _created(path, run_config, record) as writer:
        for place, step, sha256 in zip(places, checkpoints.steps, digests, strict=True):
            weights = checkpoints.fitted(place, run_config, task, sha256=sha256)[1].weights
            writer.checkpoint(step, weights)
            writer.log({"step": step, **evaluation.metrics(weights)})
        whence = f"{len(paths)} file{'s' if len(paths) > 1 else ''}"
        many = f", {len(places)} checkpoints" if len(places) > len(paths) else ""
        writer.finish("finished", f"imported from {whence}{many}")
    return open_run(path)


def _settle_layout(checkpoints: Checkpoints, config: RunConfig, task: Task) -> list[str]:
    """Choose among the layouts that shapes allow by accuracy at the last checkpoint; what is to be said about it."""
    layout, last = checkpoints.layout, checkpoints.places[-1]
    notes = []
    if layout.undecided:
        accuracies: dict[Layout, float] = {}
        for one in (layout, *layout.others):
            weights = checkpoints.fitted(last, config, task, layout=one)[1].weights
            accuracies[one] = sampled_accuracy(config, task, weights)
            if accuracies[layout] >= GOOD:
                break
        best = max(accuracies, key=accuracies.__getitem__)
        if accuracies[layout] < GOOD <= accuracies[best]:
            checkpoints.layout = best
            notes.append(
                f"shapes leave it open which way {layout.open_words} lie; the task is solved with "
                f"{accuracies[best]:.3f} of answers right where {best.words or 'none'} is turned"
            )
        elif accuracies[layout] < GOOD:
            notes.append(
                f"shapes leave it open which way {layout.open_words} lie, and no way solves the task: taken as "
                f"{'turned' if layout.turned else 'they are'} (layout = as_is or turned says which)"
            )
    if checkpoints.layout.words:
        notes.append(f"turned to the way that TransformerLens has them: {checkpoints.layout.words}")
    return notes


def _check(
    checkpoints: Checkpoints, config: RunConfig, read_off: set[str], task: Task
) -> tuple[list[tuple[Checkpoint, Fitted]], RunConfig]:
    """Look at all checkpoints before anything is written, and keep what is to be said of each, without its weights.

    The config comes back with the biases that any of them uses.
    """
    checked, used = [], {name: False for name in ("model.biases", "model.unembed_bias") if name in read_off}
    for place in checkpoints.places:
        found, fit = checkpoints.fitted(place, config, task)
        for name, value in nonzero_biases(fit.weights).items():
            if name in used:
                used[name] |= value
        checked.append((found.without_tensors(), Fitted({}, fit.skipped, fit.notes)))
    return checked, override(config, used)


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
