"""What an import is told and what it works out: the step of every file, and the config of the network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grokscope.config import ConfigError, RunConfig, by_full_name, override
from grokscope.importing.files import ForeignFile
from grokscope.importing.fitting import shape_settings
from grokscope.tasks import build_task

_STEP = re.compile(r"(?:^|(?:step|epoch|iter|iteration|update|ckpt|checkpoint)s?[-_=.]?)(\d{1,15})$", re.IGNORECASE)
"""A step in a file name without its ending: 12000, step_012000, model-epoch-500."""

_UNDECIDED = {"model.residual": "pre_ln", "arm": "imported"}
"""Defaults of an import where they are not those of a run that is trained here: TransformerLens' own block."""


def steps_of(paths: Sequence[Path], steps: Sequence[int] | None) -> tuple[dict[Path, int], list[str]]:
    """The step of every file, and what is to be said about them."""
    if steps is not None:
        if len(steps) != len(paths):
            raise ConfigError(
                f"steps has {len(steps)} entries for {len(paths)} files: give one per file, in their order"
            )
        for step in steps:
            if type(step) is not int or step < 0:
                raise ConfigError(f"steps = {step!r} is not accepted: use integers >= 0")
        known = list(steps)
    else:
        matches = [_STEP.search(path.stem) for path in paths]
        unnamed = next((path for path, match in zip(paths, matches, strict=True) if match is None), None)
        if unnamed is not None and len(paths) > 1:
            raise ConfigError(
                f"no step can be read from {unnamed.name!r}: name files as in 12000.pt or step_012000.safetensors, "
                "or give the step of each (--step)"
            )
        if unnamed is not None:
            return {unnamed: 0}, ["the step is not known and stands as 0 (--step says otherwise)"]
        known = [int(match[1]) for match in matches if match]
    by_step: dict[int, Path] = {}
    for path, step in zip(paths, known, strict=True):
        if step in by_step:
            raise ConfigError(
                f"step {step} is that of {by_step[step].name} and of {path.name}: give each its own (--step)"
            )
        by_step[step] = path
    if len(set(paths)) < len(paths):
        raise ConfigError("a file is named twice: name every checkpoint once")
    return dict(zip(paths, known, strict=True)), []


def full_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by full name, each once (see `by_full_name`)."""
    values: dict[str, Any] = {}
    for full, item in by_full_name(settings):
        if full in values:
            raise ConfigError(f"setting {full} is given twice")
        values[full] = item
    return values


def import_config(
    config: RunConfig | Mapping[str, Any] | None, given: Mapping[str, Any], first: ForeignFile, own_split: bool
) -> tuple[RunConfig, set[str]]:
    """The config of the run, and which of its settings were read off the weights."""
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
        told = {name: value for name, value in shape_settings(first.tensors).items() if name not in given}
        if changes["task.name"] in ("parity", "mixed"):
            told.pop("task.form", None)
        read_off = set(told)
        changes = _UNDECIDED | told | changes
    known = "task.train_indices" in given or base.task.train_indices is not None
    if not known and not own_split:
        changes["task.train_indices"] = ()
    merged = override(base, changes)
    if not isinstance(config, RunConfig) and "model.output" not in given:
        logits = first.tensors.get("unembed.W_U")
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
