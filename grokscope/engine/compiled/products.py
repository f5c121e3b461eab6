"""Matrix products into memory that is there already, with the library that is fast on the processor at hand.

The rule, which depends on the processor alone, so that every process on a machine rounds alike:

    AMD with AVX-512        scipy's OpenBLAS: MKL, which torch calls, does not use those registers there
    every other processor   torch's own (MKL on x86)

float64 always goes to torch. `benchmarks/speed.py` prints the rate of each library on the machine's own shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Library = Literal["torch", "openblas"]


@cache
def library() -> Library:
    """The library that multiplies float32 matrices in this process."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8", errors="replace") if info.exists() else ""
    return library_for(text) if _openblas_works() else "torch"


def library_for(cpuinfo: str) -> Library:
    """The library for a processor, from what Linux says of it in /proc/cpuinfo."""
    return "openblas" if "AuthenticAMD" in cpuinfo and "avx512f" in cpuinfo else "torch"


def _openblas_works() -> bool:
    from grokscope.engine.compiled import openblas

    return openblas.is_available()


def product(
    a: Float[Tensor, "row inner"],
    b: Float[Tensor, "inner column"],
    out: Float[Tensor, "row column"],
    using: Library | None = None,
) -> Callable[[], object]:
    """The call out = a @ b, to be made as often as a and b change. Each may be a transposed view, or some columns."""
    if a.dtype == torch.float32 and (using or library()) == "openblas":
        from grokscope.engine.compiled import openblas

        return openblas.product(a, b, out)
    return partial(torch.mm, a, b, out=out)
