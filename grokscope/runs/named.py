"""Weights by name, which say what was probably meant by a name that is not there."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NoReturn

from torch import Tensor

from grokscope.config.nearest import hint
from grokscope.runs.errors import RunError


class UnknownParameter(RunError, KeyError):
    """A name that no parameter has; the message names the nearest."""

    def __str__(self) -> str:  # KeyError shows its message in quotes
        return str(self.args[0])


class NamedWeights(dict[str, Tensor]):
    """A dictionary of weights by `HookedTransformer` name. A name that is not there raises `UnknownParameter`."""

    def __missing__(self, name: object) -> NoReturn:
        raise UnknownParameter(f"there is no parameter {name!r}; {hint(str(name), self, 'parameters')}")

    def __reduce__(self) -> Any:
        """As torch saves a `state_dict`: a file from `torch.save` is read without executing anything, by anyone."""
        return OrderedDict, (), None, None, iter(self.items())
