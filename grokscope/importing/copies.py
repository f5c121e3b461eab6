"""Entries of a state dict that are no parameters: copies of one, and what the user says is to be left out."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from grokscope.config import ConfigError
from grokscope.importing.fitting import OPERAND_EMBEDDING, WeightsError

_PARAMETER = re.compile(
    r"embed\.W_E|pos_embed\.W_pos|unembed\.[Wb]_U|ln_final\.[wb]|blocks\.\d+\.(?:attn\.[Wb]_[QKVO]|mlp\.[Wb]_(?:in|out)|ln[12]\.[wb])"
)
"""Names that a HookedTransformer's parameters have."""


def ignored(tensors: Mapping[str, Tensor], patterns: Iterable[str]) -> set[str]:
    """Entries that the user leaves out, by name or by pattern (`*_embed`)."""
    return {name for pattern in patterns for name in fnmatch.filter(tensors, pattern)}


def check_ignored(patterns: Sequence[str], seen: Iterable[str]) -> None:
    """Raise `ConfigError` for a pattern that no entry of any file has; `seen` are the names of all of them."""
    names = list(dict.fromkeys(seen))
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            there = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
            raise ConfigError(f"ignore = {pattern!r} is no entry of the file; there are: {there}")


def copies(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Entries beside the parameters that are equal to one of them to the bit, and what they are.

    A copy may be turned, or hold the first rows alone. An entry whose values are all the same (zeros, ones) is a copy
    only where its name says so: equal numbers tell nothing then.

    Raises `WeightsError` for an entry that is a copy by its name and shape and differs, with the difference.
    """
    parameters = {name: value for name, value in tensors.items() if _PARAMETER.fullmatch(name)}
    found: dict[str, str] = {}
    differing: list[str] = []
    for name, value in tensors.items():
        if name in parameters or not value.numel():
            continue
        kin = [other for other in parameters if _is_kin(name, other)]
        varied = value.ndim > 0 and bool((value != value.flatten()[0]).any())
        among = [*kin, *(other for other in parameters if varied and other not in kin)]
        copied = next((words for other in among if (words := _same(value, parameters[other], other))), None)
        alike = [other for other in kin if parameters[other].shape == value.shape]
        if copied is not None:
            found[name] = copied
        elif alike and value.is_floating_point():
            differing.append(_difference(name, value, alike[0], parameters[alike[0]]))
    if differing:
        ignore = " ".join(f"--ignore {each.split()[0]}" for each in differing)
        raise WeightsError(
            f"{'; '.join(differing)}. A network that computes with both is not the one that would be imported: if the "
            f"extra entries are not used, leave them out ({ignore})"
        )
    return found


def _is_kin(name: str, parameter: str) -> bool:
    """Whether an entry says by its name that it is a copy of a parameter: x_embed, or wrapped.blocks.0.mlp.W_in."""
    if OPERAND_EMBEDDING.search(name):
        return parameter == "embed.W_E"
    return name.endswith(f".{parameter}") or name == parameter.rpartition(".")[2]


def _same(value: Tensor, parameter: Tensor, name: str) -> str | None:
    if value.dtype != parameter.dtype:
        return None
    if torch.equal(value, parameter):
        return f"a copy of {name}, equal to the bit"
    if value.ndim == parameter.ndim == 2:
        if torch.equal(value, parameter.T):
            return f"a copy of {name}, turned, equal to the bit"
        if 1 < len(value) < len(parameter) and torch.equal(value, parameter[: len(value)]):
            return f"a copy of the first {len(value)} rows of {name}, equal to the bit"
        columns = value.shape[1]
        if 1 < columns < parameter.shape[1] and torch.equal(value, parameter[:, :columns]):
            return f"a copy of the first {columns} columns of {name}, equal to the bit"
    return None


def _difference(name: str, value: Tensor, other: str, parameter: Tensor) -> str:
    apart = (value.double() - parameter.double()).abs()
    count = int((value.double() != parameter.double()).sum())
    return f"{name} differs from {other} in {count} of {value.numel()} values, by at most {float(apart.max()):.3g}"
