"""The state dicts in a file of weights that was made elsewhere: one, or the checkpoints of a training run.

A file may hold its state dict alone, under a key (`model`, `state_dict`, ...), or many of them: a list, or a mapping
by step, with the list of their steps beside it perhaps. What the file itself is, `contents` tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from grokscope.disk import digest
from grokscope.importing.contents import SAVE, content_of, describe, no_plain_values, parts
from grokscope.importing.fitting import WeightsError

_MARKS = ("embed.W_E", "unembed.W_U", "attn.W_Q", "pos_embed.W_pos", "mlp.W_in")
"""Ends of names that a state dict of a transformer of this kind has, whatever else it lacks."""

_DEEPEST = 4
"""Containers around a state dict that are looked into."""

_STEP = re.compile(r"(?:(?:step|epoch|iter|iteration|update|ckpt|checkpoint)s?[-_ =.]?)?(\d{1,15})", re.IGNORECASE)
"""A key of a mapping by step: 500, step_500."""

_LISTS_STEPS = re.compile(r"epoch|step|iter|update", re.IGNORECASE)
"""Names of a list of steps beside a list of checkpoints: checkpoint_epochs, steps."""

Where = tuple[str, ...]


@dataclass(frozen=True)
class ForeignFile:
    """The state dict in a file."""

    path: Path
    bytes: int
    sha256: str
    entry: str
    """Where in the file it was, "model" or "state_dicts.3"; empty: it is all of the file."""
    prefix: str
    """What was taken off every name ("module.")."""
    tensors: dict[str, Tensor]
    skipped: dict[str, str]
    """What else is in the file, and what it is."""


@dataclass(frozen=True)
class Place:
    """Where a state dict is, before it is read."""

    path: Path
    entry: str | None = None
    """As in `ForeignFile`; None: the only one of the file."""
    step: int | None = None
    """Where the file says it."""
    series: str | None = None
    """The list or mapping that it is one of, where it is of many."""
    others: Mapping[str, str] = field(default_factory=dict)
    """State dicts of the file that are no part of the series that this one is of, and what they are."""

    @property
    def name(self) -> str:
        """The file's name, and where in it."""
        return self.path.name if self.entry is None else f"{self.path.name} ({self.entry})"

    def __str__(self) -> str:
        return str(self.path) if self.entry is None else f"{self.path} ({self.entry})"


class ForeignReader:
    """Reads state dicts out of files; the file that was read last is kept, for the next of its state dicts."""

    def __init__(self) -> None:
        self._kept: tuple[Path, tuple[int, int, int]] | None = None
        self._content: Any = None
        self._series: list[Where] = []
        self._bytes, self._sha256 = 0, ""

    def read(self, path: str | Path, entry: str | None = None) -> ForeignFile:
        """The state dict at an entry, keys joined by dots; None: the only one that there is. See `read_foreign`."""
        file = Path(path)
        content = self._open(file)
        where, state_dict = _lookup(file, content, entry) if entry is not None else _only_state_dict(file, content)
        skipped = _beside(content, where, self._series)
        tensors: dict[str, Tensor] = {}
        for name, value in state_dict.items():
            if isinstance(value, Tensor):
                tensors[str(name)] = value.detach()
            else:
                skipped[str(name)] = f"no tensor but {describe(value)}"
        prefix = _prefix(tensors)
        tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
        return ForeignFile(file, self._bytes, self._sha256, ".".join(where), prefix, tensors, skipped)

    def places(self, path: str | Path, entry: str | None = None) -> list[Place]:
        """The checkpoints in a file, in their order: one, or those of a list or of a mapping by step.

        `entry` may name the list or mapping, or one state dict. Raises `WeightsError` as `read` does.
        """
        file = Path(path)
        content = self._open(file)
        if entry is None:
            if len(self._series) != 1:
                _only_state_dict(file, content)
                return [Place(file)]
            where = self._series[0]
        else:
            where = tuple(part for part in entry.split(".") if part)
            if where not in self._series:
                _lookup(file, content, entry)
                return [Place(file, entry)]
        steps = _steps(content, where)
        others = {
            ".".join(other): "a state dict beside the checkpoints; to import it alone, name it as `entry`"
            for other, _ in _state_dicts(content, marked=True)
            if other[: len(where)] != where
        }
        keys = parts(_at(content, where))
        return [
            Place(file, ".".join((*where, key)), step, ".".join(where), others)
            for key, step in zip(keys, steps, strict=True)
        ]

    def _open(self, file: Path) -> Any:
        try:
            status = file.stat()
            found = file, (status.st_mtime_ns, status.st_size, status.st_ino)
            if found != self._kept:
                data = file.read_bytes()
                self._kept = None
                self._content, self._bytes, self._sha256 = content_of(file, data), len(data), digest(data)
                self._series = list(_series(self._content))
                self._kept = found
        except OSError as error:
            raise WeightsError(f"cannot read {file}: {error.strerror or error}") from None
        return self._content


def read_foreign(path: str | Path, entry: str | None = None) -> ForeignFile:
    """The state dict in a safetensors, numpy or torch.save file.

    Arguments:
        entry: where in the file it is, keys joined by dots; left out: it is looked for.

    Raises `WeightsError`, naming the file, for one that is truncated, holds no tensors, holds several state dicts,
    or holds nothing that can be read without unpickling; nothing in such a file is executed.
    """
    return ForeignReader().read(path, entry)


def _only_state_dict(file: Path, content: Any) -> tuple[Where, Mapping[Any, Any]]:
    candidates = list(_state_dicts(content, marked=True)) or list(_state_dicts(content, marked=False))
    if not candidates:
        raise WeightsError(f"{file} holds no tensors by name, but {describe(content)}: {SAVE}")
    if len(candidates) > 1:
        names = [".".join(where) or "the file itself" for where, _ in candidates]
        more = f", ... ({len(names)} in all)" if len(names) > 6 else ""
        raise WeightsError(f"{file} holds several state dicts: {', '.join(names[:6])}{more}; name one as `entry`")
    return candidates[0]


def _state_dicts(value: Any, where: Where = (), *, marked: bool) -> Iterator[tuple[Where, Mapping[Any, Any]]]:
    """Mappings from names to tensors, from the outside in; `marked`: with names as a HookedTransformer has."""
    if isinstance(value, Mapping):
        names = [str(name) for name, item in value.items() if isinstance(item, Tensor)]
        if names and (not marked or any(name.endswith(_MARKS) for name in names)):
            yield where, value
            return
    if len(where) < _DEEPEST:
        for key, item in parts(value).items():
            yield from _state_dicts(item, (*where, key), marked=marked)


def _series(content: Any) -> Iterator[Where]:
    """Lists of state dicts, and mappings by step, of two or more."""
    found = {where for where, _ in _state_dicts(content, marked=True)}
    for above in dict.fromkeys(where[:-1] for where, _ in _state_dicts(content, marked=True) if where):
        value = _at(content, above)
        inside = parts(value)
        whole = all((*above, key) in found for key in inside)
        by_step = not isinstance(value, Mapping) or all(_STEP.fullmatch(key) for key in inside)
        if len(inside) > 1 and whole and by_step:
            yield above


def _steps(content: Any, where: Where) -> Sequence[int | None]:
    """The step of each checkpoint of a series, as the file says it: the keys, or a list beside; None: it does not."""
    series = _at(content, where)
    if isinstance(series, Mapping):
        return [int(match[1]) for key in parts(series) if (match := _STEP.fullmatch(key))]
    beside = parts(_at(content, where[:-1])) if where else {}
    named = [steps for name, value in beside.items() if _LISTS_STEPS.search(name) and (steps := _integers(value))]
    return next((steps for steps in named if len(steps) == len(series)), [None] * len(series))


def _integers(value: Any) -> list[int] | None:
    """A list of steps, each once, if the value is one."""
    is_list = isinstance(value, Tensor) and no_plain_values(value) is None and value.ndim == 1
    values = value.tolist() if is_list else value
    if not isinstance(values, list | tuple) or not all(
        type(v) in (int, float) and v >= 0 and v % 1 == 0 for v in values
    ):
        return None
    return [int(step) for step in values] if len(set(values)) == len(values) else None


def _at(content: Any, where: Where) -> Any:
    for part in where:
        content = parts(content)[part]
    return content


def _lookup(file: Path, content: Any, entry: str) -> tuple[Where, Mapping[Any, Any]]:
    value, where = content, tuple(part for part in entry.split(".") if part)
    for depth, part in enumerate(where):
        inside = parts(value)
        if part not in inside:
            there = ", ".join(list(inside)[:8]) or "nothing"
            raise WeightsError(f"entry {'.'.join(where[: depth + 1])!r} is not in {file}; there is: {there}")
        value = inside[part]
    if not isinstance(value, Mapping) or not any(isinstance(item, Tensor) for item in value.values()):
        raise WeightsError(f"entry {entry!r} of {file} is no state dict, but {describe(value)}")
    return where, value


def _beside(content: Any, where: Where, series: Sequence[Where]) -> dict[str, str]:
    """What lies beside the state dict, on the way to it; checkpoints of the series that it is of are no surprise."""
    others, value = {}, content
    for depth, part in enumerate(where):
        inside = parts(value)
        if isinstance(value, Mapping) and where[:depth] not in series:
            for key in inside.keys() - {part}:
                others[".".join((*where[:depth], key))] = f"beside the state dict: {describe(inside[key])}"
        value = inside[part]
    return dict(sorted(others.items()))


def _prefix(tensors: Mapping[str, Tensor]) -> str:
    """ "module." where all that is known by its end has that before it, as wrappers of a network leave it."""
    if "embed.W_E" in tensors:
        return ""
    embedding = next((name for name in tensors if name.endswith(".embed.W_E")), "")
    return embedding.removesuffix("embed.W_E")
