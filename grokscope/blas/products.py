"""Which library multiplies float32 matrices, and a product as a call.

The rule depends on the processor and the number of threads alone, so that every process on a machine rounds alike:

    AMD                   numpy's OpenBLAS: MKL, which torch calls, does not use the AVX-512 that it finds there, and
                          without AVX-512 is a few per cent slower
    every other           torch's own (MKL on x86)
    more than one thread  torch's own: threads of two libraries keep the cores from each other (on two cores a step
                          with both took eight times as long)

float64 always goes to torch. `python -m benchmarks.speed` prints the rate of each library on the machine's own shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from grokscope.blas import openblas

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

Library = Literal["torch", "openblas"]


def library(threads: int) -> Library:
    """The library that multiplies float32 matrices in this process, on so many threads."""
    return _on_one_thread() if threads == 1 else "torch"


@cache
def _on_one_thread() -> Library:
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8", errors="replace") if info.exists() else ""
    return library_for(text) if openblas.is_available() else "torch"


def library_for(cpuinfo: str) -> Library:
    """The library for one thread of a processor, from what Linux says of it in /proc/cpuinfo."""
    return "openblas" if "AuthenticAMD" in cpuinfo else "torch"


def product(
    a: Float[Tensor, "row inner"],
    b: Float[Tensor, "inner column"],
    out: Float[Tensor, "row column"],
    using: Library | None = None,
) -> Callable[[], object]:
    """The call out = a @ b, to be made as often as a and b change. Each may be a transposed view, or some columns."""
    import torch

    if a.dtype == torch.float32 and (using or library(torch.get_num_threads())) == "openblas":
        return openblas.product(a, b, out)
    return partial(torch.mm, a, b, out=out)
