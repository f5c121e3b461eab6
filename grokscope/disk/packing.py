"""Nested values as named tensors, so that a memory of any shape goes into a safetensors file. No pickle.

Tensors stay what they are. Everything around them (dictionaries, lists, tuples, numbers, texts, None) is JSON, whose
bytes are one more tensor. What comes back is equal to the bit: JSON keeps every float.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

PLAIN = "plain"
"""The name of the tensor that holds the JSON."""

_TENSOR, _TUPLE, _ITEMS = "tensor", "tuple", "items"


def pack(value: Any) -> dict[str, Tensor]:
    """The tensors of a nested value by number, and the rest under `PLAIN`.

    Raises TypeError, naming the place, for a part that is none of these kinds.
    """
    import torch

    tensors: dict[str, Tensor] = {}

    def plain(part: Any, place: str) -> Any:
        if isinstance(part, torch.Tensor):
            tensors[str(len(tensors))] = part.detach()
            return {_TENSOR: str(len(tensors) - 1)}
        if isinstance(part, Mapping):
            items = [[plain(key, place), plain(item, f"{place}[{key!r}]")] for key, item in part.items()]
            return {_ITEMS: items}
        if isinstance(part, tuple | list):
            items = [plain(item, f"{place}[{number}]") for number, item in enumerate(part)]
            return {_TUPLE: items} if isinstance(part, tuple) else items
        if part is None or type(part) in (bool, int, float, str):
            return part
        kind = type(part)
        raise TypeError(f"{place or 'it'} is a {kind.__module__}.{kind.__qualname__}")

    text = json.dumps(plain(value, ""))
    return tensors | {PLAIN: torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)}


def unpack(tensors: Mapping[str, Tensor]) -> Any:
    """The value that `pack` took apart; its tensors are copies."""

    def whole(part: Any) -> Any:
        if isinstance(part, list):
            return [whole(item) for item in part]
        if not isinstance(part, dict):
            return part
        ((kind, content),) = part.items()
        if kind == _TENSOR:
            return tensors[content].clone()
        if kind == _TUPLE:
            return tuple(whole(item) for item in content)
        return {whole(key): whole(item) for key, item in content}

    return whole(json.loads(bytes(tensors[PLAIN].cpu().numpy())))
