"""Which library multiplies float32 matrices, and a product as a call.

The rule depends on the processor and the number of threads alone, so that every process on a machine rounds alike:

    AMD with AVX-512      numpy's OpenBLAS: MKL, which torch calls, does not use those registers there
    AMD without           OpenBLAS, but torch's own where the first operand is transposed
    every other           torch's own (MKL on x86)
    more than one thread  torch's own: threads of two libraries keep the cores from each other (on two cores a step
                          with both took eight times as long)

float64 always goes to torch. `python -m benchmarks.speed` prints the rate of each library on the machine's own shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from grokscope.blas import openblas

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

Library = Literal["torch", "openblas"]


@dataclass(frozen=True)
class Libraries:
    """The libraries that multiply: where the first operand lies in rows, and where it is transposed."""

    in_rows: Library
    transposed: Library

    def __str__(self) -> str:
        one = self.in_rows
        return one if one == self.transposed else f"{one}, {self.transposed} where the first operand is transposed"


TORCH = Libraries("torch", "torch")


def libraries(threads: int) -> Libraries:
    """The libraries that multiply float32 matrices in this process, on so many threads."""
    return _on_one_thread() if threads == 1 else TORCH


@cache
def _on_one_thread() -> Libraries:
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8", errors="replace") if info.exists() else ""
    return libraries_for(text) if openblas.is_available() else TORCH


def libraries_for(cpuinfo: str) -> Libraries:
    """The libraries for one thread of a processor, from what Linux says of it in /proc/cpuinfo."""
    if "AuthenticAMD" not in cpuinfo:
        return TORCH
    return Libraries("openblas", "openblas" if "avx512f" in cpuinfo else "torch")


def product(
    a: Float[Tensor, "row inner"],
    b: Float[Tensor, "inner column"],
    out: Float[Tensor, "row column"],
    using: Library | None = None,
) -> Callable[[], object]:
    """The call out = a @ b, to be made as often as a and b change. Each may be a transposed view, or some columns."""
    import torch

    if a.dtype == torch.float32:
        if using is None:
            chosen = libraries(torch.get_num_threads())
            using = chosen.in_rows if a.stride(1) == 1 else chosen.transposed
        if using == "openblas":
            return openblas.product(a, b, out)
    return partial(torch.mm, a, b, out=out)
