"""What an import is told and what it works out: the step of every file, and the config of the network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from grokscope.config import ConfigError, RunConfig, by_full_name, override
from grokscope.importing.files import Place
from grokscope.importing.fitting import shape_settings
from grokscope.tasks import build_task

_STEP = re.compile(r"(?:^|(?:step|epoch|iter|iteration|update|ckpt|checkpoint)s?[-_=.]?)(\d{1,15})$", re.IGNORECASE)
"""A step in a file name without its ending: 12000, step_012000, model-epoch-500."""

_UNDECIDED = {"model.residual": "pre_ln", "arm": "imported"}
"""Defaults of an import where they are not those of a run that is trained here: TransformerLens' own block."""


def with_steps(files: Sequence[Sequence[Place]], steps: Sequence[int] | None) -> tuple[list[Place], list[str]]:
    """The checkpoints of all files, each with its step, by increasing step; and what is to be said about the steps.

    Arguments:
        files: the checkpoints in each file, in their order.
        steps: their steps, where they are given: one for each checkpoint, file by file.
    """
    places, notes = [place for file in files for place in file], list[str]()
    if len({file[0].path for file in files}) < len(files):
        raise ConfigError("a file is named twice: name every checkpoint once")
    if steps is not None:
        if len(steps) != len(places):
            what = "files" if len(places) == len(files) else "checkpoints"
            raise ConfigError(
                f"steps has {len(steps)} entries for {len(places)} {what}: give one per {what[:-1]}, in their order"
            )
        for step in steps:
            if type(step) is not int or step < 0:
                raise ConfigError(f"steps = {step!r} is not accepted: use integers >= 0")
        known = list(steps)
    elif len(files) == 1 and len(places) > 1 and places[0].step is None:
        known = list(range(len(places)))
        notes.append("the steps of the checkpoints are not known and stand as 0, 1, 2, ... (--step says otherwise)")
    else:
        found = [_STEP.search(place.path.stem) if place.step is None else None for place in places]
        told = [int(match[1]) if match else place.step for place, match in zip(places, found, strict=True)]
        unnamed = next((place for place, step in zip(places, told, strict=True) if step is None), None)
        if unnamed is not None and len(places) > 1:
            raise ConfigError(
                f"no step can be read from {unnamed.path.name!r}: name files as in 12000.pt or "
                "step_012000.safetensors, or give the step of each (--step)"
            )
        if unnamed is not None:
            notes.append("the step is not known and stands as 0 (--step says otherwise)")
        known = [step or 0 for step in told]  # 0 where it is not known
    by_step: dict[int, Place] = {}
    for place, step in zip(places, known, strict=True):
        assert step is not None
        if step in by_step:
            raise ConfigError(
                f"step {step} is that of {by_step[step].name} and of {place.name}: give each its own (--step)"
            )
        by_step[step] = replace(place, step=step)
    return [by_step[step] for step in sorted(by_step)], notes


def known_shape(
    config: RunConfig | Mapping[str, Any] | None, given: Mapping[str, Any]
) -> tuple[int | None, int | None]:
    """model.d_model and model.n_heads, where they are said: as `given`, or else by a config that is taken as it is."""
    model = config.model if isinstance(config, RunConfig) else None
    d_model = given.get("model.d_model", None if model is None else model.d_model)
    n_heads = given.get("model.n_heads", None if model is None else model.n_heads)
    return (d_model if isinstance(d_model, int) else None), (n_heads if isinstance(n_heads, int) else None)


def full_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by full name, each once (see `by_full_name`)."""
    values: dict[str, Any] = {}
    for full, item in by_full_name(settings):
        if full in values:
            raise ConfigError(f"setting {full} is given twice")
        values[full] = item
    return values


def import_config(
    config: RunConfig | Mapping[str, Any] | None,
    given: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    own_split: bool,
) -> tuple[RunConfig, set[str]]:
    """The config of the run, and which of its settings were read off the tensors of its first checkpoint."""
    changes, read_off = dict(given), set[str]()
    if isinstance(config, RunConfig):
        base = config
    else:
        base = RunConfig()
        if "task.name" not in given:
            if not {"task.group", "task.elements", "task.table"} & given.keys():
                raise ConfigError("task.name is not told by a state dict: use --task add, mul, permutation, group, ...")
            changes["task.name"] = "group"
        if "model.activation" not in given:
            raise ConfigError(
                "model.activation is not told by a state dict: use what the network was trained with "
                "(--activation relu or gelu)"
            )
        told = {name: value for name, value in shape_settings(tensors).items() if name not in given}
        if changes["task.name"] in ("parity", "mixed"):
            told.pop("task.form", None)
        read_off = set(told)
        changes = _UNDECIDED | told | changes
    known = "task.train_indices" in given or base.task.train_indices is not None
    if not known and not own_split:
        changes["task.train_indices"] = ()
    merged = override(base, changes)
    if not isinstance(config, RunConfig) and "model.output" not in given:
        logits = tensors.get("unembed.W_U")
        answers = logits is not None and logits.ndim == 2 and logits.shape[1] == build_task(merged.task).n_answers
        merged = override(merged, {"model.output": "answers" if answers else "vocab"})
        read_off.add("model.output")
    if not isinstance(config, RunConfig):
        # Until all files were looked at; see `_check`.
        undecided = {name for name in ("model.biases", "model.unembed_bias") if name not in given}
        merged = override(merged, dict.fromkeys(undecided, True))
        read_off |= undecided
    return merged, read_off


def split_words(config: RunConfig, own_split: bool) -> str:
    indices = config.task.train_indices
    if indices is None:
        return f"drawn here: train_fraction {config.task.train_fraction}, seed {config.seed}"
    return f"given: {len(indices)} train indices" if indices else "unknown: all examples count as validation"
