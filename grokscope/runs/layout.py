"""Where things are in a run directory, what a run is called, and which paths are accepted."""

from __future__ import annotations

import os
import re
from pathlib import Path

from grokscope.config import RunConfig, TaskConfig
from grokscope.disk.files import digest
from grokscope.runs.errors import RunError, run_errors

CONFIG = "config.json"
STATUS = "status.json"
MANIFEST = "manifest.jsonl"
METRICS = "metrics.jsonl"
METRICS_TABLE = "metrics.parquet"
PROBES = "probes.jsonl"
STATE = "state.json"
STATE_TENSORS = ("state.0.safetensors", "state.1.safetensors")
"""Two files that take turns."""
SEALS = "seals.jsonl"
TASK = "task.safetensors"
LOCK = "run.lock"
CHECKPOINTS = "checkpoints"
ANALYSIS = "analysis"
QUARANTINE = "quarantine"

_CHECKPOINT = re.compile(r"step_(\d{8,})\.safetensors")
_LONGEST_NAME = 255
"""Bytes in one component of a path, on every common file system."""


def checkpoint_file(step: int) -> str:
    """Path of a checkpoint relative to its run directory."""
    return f"{CHECKPOINTS}/step_{step:08d}.safetensors"


def is_run(path: Path) -> bool:
    """Whether there is a run directory at `path`. Raises `RunError` where that cannot be told."""
    with run_errors(f"read {path}"):
        return (path / CONFIG).is_file()


def checkpoint_steps(path: Path) -> list[int]:
    """Steps of the checkpoint files that lie in a run directory, whether or not the manifest lists them."""
    folder = path / CHECKPOINTS
    with run_errors(f"read {folder}"):
        names = os.listdir(folder) if folder.is_dir() else []
    return sorted(int(match[1]) for name in names if (match := _CHECKPOINT.fullmatch(name)))


def out_of_place(path: Path) -> dict[str, str]:
    """What stands in a run directory where something of another kind belongs: its name there, and a sentence.

    A folder at the name of a file, and anything but a folder at that of `checkpoints`. Writing to such a name, or
    replacing it, fails for good. Raises OSError where it cannot be told.
    """
    folder = path / CHECKPOINTS
    names = [CONFIG, STATUS, MANIFEST, METRICS, METRICS_TABLE, PROBES, STATE, *STATE_TENSORS, SEALS, TASK, LOCK]
    wrong = {}
    if folder.is_dir():
        names += [f"{CHECKPOINTS}/{name}" for name in sorted(os.listdir(folder)) if _CHECKPOINT.fullmatch(name)]
    elif os.path.lexists(folder):
        wrong[CHECKPOINTS] = f"{folder} is no folder, where the folder of checkpoints is expected"
    wrong |= {name: folder_words(path / name) for name in names if (path / name).is_dir()}
    return wrong


def folder_words(path: Path) -> str:
    """A sentence on a folder that stands where a file belongs."""
    return f"{path} is a folder where a file is expected"


def task_label(config: TaskConfig) -> str:
    """Short name of a task: mul, add-p113, add+mul, s5, group-d12, group-order120-3f2a91, parity3of10, x2+xy-3f2a91.

    A group given by its elements or its table goes by its order and a digest of them. So do expressions, by what of
    them a directory's name can show and a digest, and tasks given by their labels or by all their examples.
    """
    if config.name == "permutation":
        return f"s{config.degree}" + ("-ab" if config.product == "ab" else "")
    if config.group is not None:
        return f"group-{config.group.lower()}" + ("-ab" if config.product == "ab" else "")
    if (rows := config.elements or config.table) is not None:
        told_apart = digest(repr((rows, config.product)).encode())[:6]
        return f"group-order{len(rows)}-{told_apart}"
    if config.name == "parity":
        return f"parity{config.parity_bits}of{config.bits}"
    default = TaskConfig()
    if (stored := config.labels or config.given) is not None:
        return f"{config.name}-{stored.sha256[:6]}"
    name: str = config.name
    if config.expression is not None:
        shown = re.sub(r"[^A-Za-z0-9+.-]", "", config.expression.replace("/", "over")).lstrip("-.")[:40]
        name = f"{shown}-{digest(config.expression.encode())[:6]}"
    if name == "mixed" and config.operations != default.operations:
        name = "+".join(config.operations)
    return name if config.modulus == default.modulus else f"{name}-p{config.modulus}"


def run_name(config: RunConfig) -> str:
    """A directory name for a run of this config: task, arm and seed, as in `mul-lion-clip-seed0`.

    Characters of the arm's name other than ASCII letters, digits, `.`, `_`, `+` and `-` become `-`.
    """
    arm = re.sub(r"[^A-Za-z0-9._+-]+", "-", config.arm).strip("-.")[:100] or "custom"
    return f"{task_label(config.task)}-{arm}-seed{config.seed}"


def check_path(path: str | os.PathLike[str]) -> Path:
    """The path, if the operating system can hold it. Raises `RunError` naming what is wrong with it."""
    text = os.fspath(path)
    if not isinstance(text, str):
        raise RunError(f"run path {text!r} is not accepted: use a str or a pathlib.Path")
    if not text or "\0" in text:
        raise RunError(f"run path {text!r} is not accepted: {'it holds a NUL' if text else 'it is empty'}")
    for part in Path(text).parts:
        try:
            size = len(os.fsencode(part))
        except UnicodeEncodeError:
            raise RunError(f"run path {text!r} is not accepted: {part!r} cannot be encoded as a file name") from None
        if size > _LONGEST_NAME:
            raise RunError(f"run path is not accepted: {part[:40]!r}... has {size} bytes; use at most {_LONGEST_NAME}")
    return Path(text)


def check_new_path(path: str | os.PathLike[str]) -> Path:
    """The path, if a run may be made there: no `..`, no control character in its name, no `-` before."""
    checked = check_path(path)
    if ".." in checked.parts:
        raise RunError(f"run path {str(checked)!r} is not accepted: write it without '..' (an absolute path will do)")
    if not checked.name:
        raise RunError(f"run path {str(checked)!r} is not accepted: it names no new directory")
    if checked.name.startswith("-"):
        raise RunError(f"run name {checked.name!r} is not accepted: it starts with '-' and would be read as an option")
    if any(ord(character) < 32 or ord(character) == 127 for character in checked.name):
        raise RunError(f"run name {checked.name!r} is not accepted: it holds a control character")
    return checked
