"""The tensors of a torch.save file that holds objects of other classes beside them, with none of those made.

A file of this kind is a pickle: a program for a small stack machine. `torch.load(weights_only=True)` refuses all of a
file as soon as its pickle names a class that torch does not know, such as that of the config that lies beside the
weights. Here the pickle is followed for what it says. Why that executes nothing:

1. The machine reaches out of its stack only by `find_class`, which is to look a name up. Here `find_class` looks
   nothing up and imports nothing: for every name, known or not, it makes a new empty subclass of `Described`.
2. What the machine calls is what `find_class` gave. So a call makes a `Described`, which keeps the arguments.
3. What the machine does to an object that it has made (set its state, an item, an element) is done to a `Described`,
   which keeps that too. No function, module or class that is in use elsewhere is ever on the stack.
4. Registered extension codes, which give an object without `find_class`, are refused before the machine starts.

So what comes out is texts, numbers, containers and `Described`s. `tensors_beside` then goes through them. It builds
a tensor where a `Described` has the name of one of torch's rebuilding functions, by its own code, out of bytes of the
file. What has any other name comes out as `Refused`.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_DTYPES = {
    "Float": torch.float32, "Double": torch.float64, "Half": torch.float16, "BFloat16": torch.bfloat16,
    "Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8,
    "Bool": torch.bool, "ComplexFloat": torch.complex64, "ComplexDouble": torch.complex128,
}  # fmt: skip
"""Of the storages that torch.save names, torch.FloatStorage and so on."""

_LEGACY = 0x1950A86A20F9469CFC6C
"""What a file of torch.save before its version 1.6 begins with, as a pickled number."""

_DEEPEST = 64
"""Containers inside one another that are followed."""


class Described:
    """What a pickle says of an object: the name of a class or function, and what is done with it. It does nothing."""

    name = ""
    """The module and the name in it, of the subclass that `find_class` makes."""
    args: tuple[Any, ...]
    items: list[tuple[Any, Any]]

    def __new__(cls, *args: Any, **_: Any) -> Described:
        self = object.__new__(cls)
        self.args, self.items = args, []
        return self

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    def append(self, value: Any) -> None:
        pass

    def extend(self, values: Any) -> None:
        pass

    def add(self, value: Any) -> None:
        pass


@dataclass(frozen=True)
class Refused:
    """An object that the file asks for and that was not made."""

    name: str
    """Of its class, or of the function that makes it."""


@dataclass(frozen=True)
class _Storage:
    dtype: torch.dtype | None
    """None: untyped."""
    key: str
    numel: int


class _Reader(pickle.Unpickler):
    """Follows a pickle without looking up anything that it names; see the module's docstring."""

    def find_class(self, module: str, name: str) -> Any:
        return type("Described", (Described,), {"name": f"{module}.{name}"})

    def persistent_load(self, pid: Any) -> Any:
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage" or not isinstance(pid[1], type):
            raise pickle.UnpicklingError("it refers to something outside that is no storage of a tensor")
        if len(pid) > 5 and pid[5] is not None:
            raise pickle.UnpicklingError("it has a storage that is a part of another one")
        kind = getattr(pid[1], "name", "").rpartition(".")[2].removesuffix("Storage")
        if kind not in (*_DTYPES, "Untyped") or not isinstance(pid[2], str) or type(pid[4]) is not int:
            raise pickle.UnpicklingError(f"it has a storage of an unknown kind, {kind}")
        return _Storage(_DTYPES.get(kind), pid[2], pid[4])


def _followed(stream: io.BytesIO) -> Any:
    """What the pickle that begins here says; the stream is at its end then."""
    start, size = stream.tell(), len(stream.getbuffer())
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name.startswith("EXT"):
            raise pickle.UnpicklingError("it uses an extension code, which stands for an object of this process")
        if "PUT" in opcode.name and isinstance(argument, int) and argument > size:
            raise pickle.UnpicklingError("it numbers more objects than it can hold")
    end = stream.tell()
    stream.seek(start)
    content = _Reader(stream).load()
    stream.seek(end)
    return content


def tensors_beside(data: bytes) -> Any:
    """What a torch.save file holds: containers, numbers and texts, tensors, and `Refused` for every other object.

    Raises `pickle.UnpicklingError`, or another error that a damaged file leads to.
    """
    if data[:2] == b"PK":
        return _of_archive(data)
    stream = io.BytesIO(data)
    if _followed(stream) != _LEGACY:
        raise pickle.UnpicklingError("torch.save did not write it")
    _protocol, system = _followed(stream), _followed(stream)
    content, keys = _followed(stream), _followed(stream)
    if not isinstance(system, dict) or not system.get("little_endian", True):
        raise pickle.UnpicklingError("it is of a big-endian machine")
    used: dict[str, _Storage] = {}
    _collect(content, used, 0)
    found: dict[str, bytes] = {}
    for key in keys:
        (numel,) = struct.unpack("<q", stream.read(8))
        dtype = used[key].dtype if key in used else None
        if dtype is None or numel != used[key].numel:
            raise pickle.UnpicklingError(f"its storage {key!r} is not the one that it speaks of")
        found[key] = stream.read(numel * dtype.itemsize)
    return _built(content, _Values(lambda key: found.get(key, b"")), 0)


def _of_archive(data: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        (program,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = program.removesuffix("data.pkl")

        def read(name: str) -> bytes:
            if archive.getinfo(folder + name).compress_type != zipfile.ZIP_STORED:
                raise pickle.UnpicklingError("it is compressed, which torch.save does not do")
            return archive.read(folder + name)

        if f"{folder}byteorder" in archive.namelist() and read("byteorder") != b"little":
            raise pickle.UnpicklingError("it is of a big-endian machine")
        return _built(_followed(io.BytesIO(read("data.pkl"))), _Values(lambda key: read(f"data/{key}")), 0)


def _collect(value: Any, found: dict[str, _Storage], depth: int) -> None:
    """The storages that a value speaks of, by key."""
    if depth > _DEEPEST:
        return
    if isinstance(value, _Storage):
        found[value.key] = value
    elif isinstance(value, Described):
        _collect([*value.args, *value.items], found, depth + 1)
    elif isinstance(value, dict):
        _collect(list(value.items()), found, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _collect(item, found, depth + 1)


class _Values:
    """The numbers in storages, each read once; `read` gives the bytes of a key."""

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read, self._known = read, dict[str, Tensor]()

    def __getitem__(self, storage: _Storage) -> Tensor:
        if storage.dtype is None:
            raise pickle.UnpicklingError("it has a storage without a type")
        if storage.key not in self._known:
            data = self._read(storage.key)
            if len(data) != storage.numel * storage.dtype.itemsize:
                raise pickle.UnpicklingError(
                    f"its storage {storage.key!r} has {len(data)} bytes, which is not its size"
                )
            empty = torch.empty(0, dtype=storage.dtype)
            self._known[storage.key] = torch.frombuffer(bytearray(data), dtype=storage.dtype) if data else empty
        return self._known[storage.key]


def _built(value: Any, values: _Values, depth: int) -> Any:
    """A described value, with its tensors made."""
    if depth > _DEEPEST:
        raise pickle.UnpicklingError(f"its containers are more than {_DEEPEST} deep")
    if isinstance(value, dict):
        return {key: _built(item, values, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_built(item, values, depth + 1) for item in value]
    if isinstance(value, tuple):
        return tuple(_built(item, values, depth + 1) for item in value)
    if isinstance(value, Described):
        if value.name in ("collections.OrderedDict", "collections.defaultdict"):
            return {key: _built(item, values, depth + 1) for key, item in value.items}
        if value.name in ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"):
            return _built(value.args[0], values, depth + 1)
        if value.name in ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"):
            return _tensor(value.args, values)
        return Refused(value.name)
    if isinstance(value, type) and issubclass(value, Described):
        return Refused(value.name)
    return value


def _tensor(args: tuple[Any, ...], values: _Values) -> Tensor:
    storage, offset, size, stride = args[:4]
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("it has a tensor without a storage")
    return torch.as_strided(values[storage], tuple(size), tuple(stride), offset)  # refuses what is out of bounds
