"""What must be in a checkpoint of a run: the tensors of its config, and no others.

A file whose digest is right may still hold what no training of this config wrote: a digest that was made by hand shows
nothing. So names, shapes, dtypes and values are compared with the config whenever weights are read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from grokscope.config import ModelConfig
from grokscope.model import buffers, dtype_of, is_buffer, parameter_shapes
from grokscope.runs.errors import RunError, run_errors
from grokscope.runs.manifest import Entry, deserialise
from grokscope.tasks import Task


@dataclass(frozen=True)
class CheckpointContent:
    """Shape and dtype of every tensor of a checkpoint by name: parameters in their order, then buffers."""

    expected: Mapping[str, tuple[tuple[int, ...], torch.dtype]]
    may_diverge: bool
    """Whether values may be other than finite: in a run that diverged they are."""

    @classmethod
    def of(cls, config: ModelConfig, task: Task, *, may_diverge: bool = False) -> CheckpointContent:
        """What checkpoints of a network hold."""
        shapes = parameter_shapes(config, task)
        expected = {name: (shape, dtype_of(config)) for name, shape in shapes.items()}
        constants = {name: (tuple(value.shape), value.dtype) for name, value in buffers(config.n_layers).items()}
        return cls(expected | dict(sorted(constants.items())), may_diverge)

    def check_names(self, file: Path, names: Collection[str]) -> None:
        """Raise `RunError` unless these are the names of the tensors."""
        missing = [name for name in self.expected if name not in names]
        extra = sorted(set(names) - self.expected.keys())
        if missing or extra:
            said = [f"it has no {', '.join(missing[:3])}"] if missing else []
            said += [f"it has {', '.join(extra[:3])}, which the config has not"] if extra else []
            raise RunError(f"{file} is no checkpoint of this run: {'; '.join(said)}")

    def check(self, file: Path, tensors: Mapping[str, Tensor], *, all_names: bool = True) -> None:
        """Raise `RunError`, naming the file and the tensor, for what no training of this config wrote."""
        if all_names:
            self.check_names(file, tensors.keys())
        for name, value in tensors.items():
            shape, dtype = self.expected[name]
            if tuple(value.shape) != shape or value.dtype != dtype:
                there, due = _words(tuple(value.shape), value.dtype), _words(shape, dtype)
                raise RunError(f"{file} is no checkpoint of this run: {name} is {there}, and {due} by the config")
            if not (self.may_diverge or is_buffer(name) or bool(value.isfinite().all())):
                raise RunError(
                    f"{file} is no checkpoint of a run that has not diverged: {name} holds what is not finite"
                )


def read_checkpoint(path: Path, entry: Entry) -> dict[str, Tensor]:
    """The tensors of a checkpoint of the run at `path`. Raises `RunError` for a file that is not as recorded."""
    return deserialise(entry.read(path), path / entry.file)


@contextmanager
def opened_checkpoint(file: Path) -> Iterator[Any]:
    """A checkpoint of which single tensors can be read. Raises `RunError` for a file that is none."""
    try:
        with run_errors(f"read {file}"), safe_open(file, "pt") as opened:
            yield opened
    except SafetensorError as error:
        raise RunError(f"{file} is no safetensors file: {error}") from None


def _words(shape: tuple[int, ...], dtype: torch.dtype) -> str:
    return f"{list(shape)} of {str(dtype).removeprefix('torch.')}"
