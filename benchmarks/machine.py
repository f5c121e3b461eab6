"""What machine a figure was measured on, and how fast it multiplies matrices."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from grokscope.blas import library, name_and_family, openblas, product
from grokscope.engine.linear import matmul_transposed


def describe() -> dict[str, str | int]:
    """Processor and its family, cores, the libraries that the compiled engine multiplies with, and versions."""
    name, family = name_and_family()
    return {
        "processor": name,
        "family": family,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count() or 1,
        "products": library(1),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _calls(a: Tensor, b: Tensor) -> dict[str, Callable[[], object]]:
    """a @ b with each library: `torch.mm`, the kernel that the engine uses, and OpenBLAS where there is one."""
    out = torch.empty(a.shape[0], b.shape[1])
    calls = {"torch.mm": product(a, b, out, "torch"), "engine": lambda: matmul_transposed(a, b.T)}
    return calls | ({"openblas": product(a, b, out, "openblas")} if openblas.is_available() else {})


def _rates(a: Tensor, b: Tensor, repeats: int) -> dict[str, float]:
    """GFLOP/s of a @ b with each library, which take turns."""
    calls = _calls(a, b)
    times: dict[str, list[float]] = {name: [] for name in calls}
    with openblas.threads(torch.get_num_threads()):
        for _ in range(repeats):
            for name, call in calls.items():
                begin = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - begin)
    flop = 2 * a.shape[0] * a.shape[1] * b.shape[1]
    return {name: flop / statistics.median(seconds) / 1e9 for name, seconds in times.items()}


def matmul_rate(threads: int, size: int = 2048, repeats: int = 7) -> dict[str, float]:
    """GFLOP/s of a large float32 product."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    rates = _rates(torch.randn(size, size), torch.randn(size, size), repeats)
    torch.set_num_threads(before)
    return rates


def shape_rates(threads: int, rows: int, d_model: int, d_mlp: int, repeats: int = 21) -> dict[str, dict[str, float]]:
    """GFLOP/s of the products of an MLP's first matrix: forward, the gradient of its input, and its own."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    x, w, dy = torch.randn(rows, d_model), torch.randn(d_model, d_mlp), torch.randn(rows, d_mlp)
    pairs = {"x W": (x, w), "dy W'": (dy, w.T), "x' dy": (x.T, dy)}
    rates = {f"{name}, {rows} x {d_model} x {d_mlp}": _rates(*pair, repeats) for name, pair in pairs.items()}
    torch.set_num_threads(before)
    return rates
