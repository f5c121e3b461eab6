"""Reading a file of weights that was made elsewhere, without running anything that is in it.

A safetensors file holds tensors and nothing else. A torch.save file is a pickle; it is read with
`weights_only=True`, which makes tensors, numbers, texts and containers of them, and refuses all else before it is
executed. Both are told apart by their content, not by their names.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from grokscope.disk import digest
from grokscope.importing.fitting import WeightsError

_MARKS = ("embed.W_E", "unembed.W_U", "attn.W_Q", "pos_embed.W_pos", "mlp.W_in")
"""Ends of names that a state dict of a transformer of this kind has, whatever else it lacks."""

_DEEPEST = 4
"""Containers around a state dict that are looked into."""

_SAVE = "save the weights alone: torch.save(model.state_dict(), ...), or safetensors.torch.save_file"


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


def read_foreign(path: str | Path, entry: str | None = None) -> ForeignFile:
    """The state dict in a safetensors or torch.save file.

    Arguments:
        entry: where in the file it is, keys joined by dots; left out: it is looked for.

    Raises `WeightsError`, naming the file, for one that is truncated, holds no tensors, holds several state dicts,
    or needs unpickling; nothing in such a file is executed.
    """
    file = Path(path)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read {file}: {error.strerror or error}") from None
    content = _content(file, data)
    where, state_dict = _lookup(file, content, entry) if entry is not None else _only_state_dict(file, content)
    skipped = _beside(content, where)
    tensors: dict[str, Tensor] = {}
    for name, value in state_dict.items():
        if isinstance(value, Tensor):
            tensors[str(name)] = value.detach()
        else:
            skipped[str(name)] = f"no tensor but {type(value).__name__}"
    prefix = _prefix(tensors)
    tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return ForeignFile(file, len(data), digest(data), ".".join(where), prefix, tensors, skipped)


def _content(file: Path, data: bytes) -> Any:
    if data[:4] == b"PK\x03\x04" or data[:1] == b"\x80":
        return _torch_content(file, data)
    if data[8:9] == b"{":
        try:
            return safetensors.torch.load(data)
        except (SafetensorError, ValueError, KeyError) as error:
            raise WeightsError(f"{file} is damaged or truncated: {error}") from None
    why = "it is empty" if not data else "or its beginning is missing"
    raise WeightsError(f"{file} is neither a safetensors file nor one of torch.save ({why}): {_SAVE}")


def _torch_content(file: Path, data: bytes) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols, where an error follows
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"it holds {named[1]}" if named else "torch.save did not write it, or it holds more than tensors"
        raise WeightsError(
            f"{file} needs unpickling ({what}), which can run any program: it is refused, and nothing in it was "
            f"executed. Where you trust it, {_SAVE}"
        ) from None
    except Exception as error:  # a file cut or changed anywhere fails in as many ways as there are bytes
        why = str(error).partition("\n")[0] or type(error).__name__
        raise WeightsError(f"{file} is damaged, truncated, or no file of weights: {why}") from None


def _only_state_dict(file: Path, content: Any) -> tuple[tuple[str, ...], Mapping[Any, Any]]:
    candidates = list(_state_dicts(content, marked=True)) or list(_state_dicts(content, marked=False))
    if not candidates:
        raise WeightsError(f"{file} holds no tensors by name, but {_describe(content)}: {_SAVE}")
    if len(candidates) > 1:
        names = [".".join(where) or "the file itself" for where, _ in candidates]
        more = f", ... ({len(names)} in all)" if len(names) > 6 else ""
        raise WeightsError(f"{file} holds several state dicts: {', '.join(names[:6])}{more}; name one as `entry`")
    return candidates[0]


def _state_dicts(
    value: Any, where: tuple[str, ...] = (), *, marked: bool
) -> Iterator[tuple[tuple[str, ...], Mapping[Any, Any]]]:
    """Mappings from names to tensors, from the outside in; `marked`: with names as a HookedTransformer has."""
    if isinstance(value, Mapping):
        names = [str(name) for name, item in value.items() if isinstance(item, Tensor)]
        if names and (not marked or any(name.endswith(_MARKS) for name in names)):
            yield where, value
            return
    if len(where) < _DEEPEST:
        for key, item in _parts(value).items():
            yield from _state_dicts(item, (*where, key), marked=marked)


def _parts(value: Any) -> dict[str, Any]:
    """What a container holds, by key or number; nothing where it is none."""
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    return {str(number): item for number, item in enumerate(value)} if isinstance(value, list | tuple) else {}


def _lookup(file: Path, content: Any, entry: str) -> tuple[tuple[str, ...], Mapping[Any, Any]]:
    value, where = content, tuple(part for part in entry.split(".") if part)
    for depth, part in enumerate(where):
        inside = _parts(value)
        if part not in inside:
            there = ", ".join(list(inside)[:8]) or "nothing"
            raise WeightsError(f"entry {'.'.join(where[: depth + 1])!r} is not in {file}; there is: {there}")
        value = inside[part]
    if not isinstance(value, Mapping) or not any(isinstance(item, Tensor) for item in value.values()):
        raise WeightsError(f"entry {entry!r} of {file} is no state dict, but {_describe(value)}")
    return where, value


def _beside(content: Any, where: tuple[str, ...]) -> dict[str, str]:
    """What lies beside the state dict, on the way to it."""
    others, value = {}, content
    for depth, part in enumerate(where):
        inside = _parts(value)
        if isinstance(value, Mapping):  # checkpoints in a list beside the one are no surprise
            for key in inside.keys() - {part}:
                others[".".join((*where[:depth], key))] = f"beside the state dict: {_describe(inside[key])}"
        value = inside[part]
    return dict(sorted(others.items()))


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor {list(value.shape)}"
    if isinstance(value, Mapping | list | tuple):
        return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__


def _prefix(tensors: Mapping[str, Tensor]) -> str:
    """ "module." where all that is known by its end has that before it, as wrappers of a network leave it."""
    if "embed.W_E" in tensors:
        return ""
    embedding = next((name for name in tensors if name.endswith(".embed.W_E")), "")
    return embedding.removesuffix("embed.W_E")
