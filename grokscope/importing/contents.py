"""What a file of weights holds, by its content and whatever its name, without running anything that is in it.

safetensors     tensors by name, and nothing else
numpy (.npz)    arrays by name, read without pickles (`allow_pickle=False`)
torch.save      containers of tensors, numbers and texts, as `torch.load(weights_only=True)` gives them; where objects
                of other classes lie beside the tensors, what `described` reads without making them
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from grokscope.importing.described import Refused, tensors_beside
from grokscope.importing.fitting import WeightsError

SAVE = "save the weights alone: torch.save(model.state_dict(), ...), or safetensors.torch.save_file"


def content_of(file: Path, data: bytes) -> Any:
    """The content of a file: containers of tensors, numbers, texts, and `Refused` where an object would be.

    Raises `WeightsError`, naming the file, for one that is damaged, of another kind, or holds no tensors beside
    objects that would have to be unpickled.
    """
    if data[:4] == b"PK\x03\x04" and _is_numpy(data):
        return _numpy_content(file, data)
    if data[:4] == b"PK\x03\x04" or data[:1] == b"\x80":
        return _torch_content(file, data)
    if data[8:9] == b"{":
        try:
            return safetensors.torch.load(data)
        except (SafetensorError, ValueError, KeyError) as error:
            raise WeightsError(f"{file} is damaged or truncated: {error}") from None
    why = "it is empty" if not data else "or its beginning is missing"
    raise WeightsError(f"{file} is neither a safetensors file nor one of torch.save ({why}) or numpy.savez: {SAVE}")


def parts(value: Any) -> dict[str, Any]:
    """What a container holds, by key or number; nothing where it is none."""
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    return {str(number): item for number, item in enumerate(value)} if isinstance(value, list | tuple) else {}


def describe(value: Any) -> str:
    """What a value is, in a few words."""
    if isinstance(value, Tensor):
        return f"a tensor {list(value.shape)}" if no_plain_values(value) is None else "a tensor"
    if isinstance(value, Refused):
        return f"{value.name}, which needs unpickling and was refused"
    if isinstance(value, Mapping | list | tuple):
        return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__


def no_plain_values(value: Tensor) -> str | None:
    """Why a tensor has no plain values that can be compared and computed with, in a few words; None if it has them."""
    if value.is_nested:
        return "a nested tensor"
    if value.is_meta:
        return "a tensor of the device meta, which has no values"
    if value.is_quantized:
        return f"a quantized tensor of {value.dtype}"
    return None if value.layout == torch.strided else f"a sparse tensor of the layout {value.layout}"


def _is_numpy(data: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError):
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def _numpy_content(file: Path, data: bytes) -> dict[str, Any]:
    content: dict[str, Any] = {}
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            for name in archive.files:
                content[name] = _as_tensor(archive, name)
    except Exception as error:  # a file cut or changed anywhere fails in as many ways as there are bytes
        raise WeightsError(f"{file} is damaged or truncated: {_first_line(error)}") from None
    return content


def _as_tensor(archive: Any, name: str) -> Any:
    try:
        array = archive[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        return Refused("an array of Python objects")
    try:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")).reshape(array.shape))
    except TypeError:  # texts, and numbers that torch has not
        return array


def _torch_content(file: Path, data: bytes) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols, where an error follows
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        content = _beside_objects(data)
        if _has_tensors(content):
            return content
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"it holds {named[1]}" if named else "torch.save did not write it, or it holds more than tensors"
        raise WeightsError(
            f"{file} needs unpickling ({what}), which can run any program: it is refused, and nothing in it was "
            f"executed. Where you trust it, {SAVE}"
        ) from None
    except Exception as error:  # as above
        raise WeightsError(f"{file} is damaged, truncated, or no file of weights: {_first_line(error)}") from None


def _beside_objects(data: bytes) -> Any:
    """What `described` makes of the file; None where it is damaged or no file of torch.save."""
    try:
        return tensors_beside(data)
    except Exception:  # as above; the reason that is given is the one why torch refused it
        return None


def _has_tensors(value: Any) -> bool:
    return any(isinstance(item, Tensor) or _has_tensors(item) for item in parts(value).values())


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
