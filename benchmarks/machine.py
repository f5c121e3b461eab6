"""What machine a figure was measured on, and how fast it multiplies matrices."""

from __future__ import annotations

import os
import platform
import statistics
import time
from pathlib import Path

import torch

from grokscope.engine.linear import matmul_transposed


def describe() -> dict[str, str | int]:
    """Processor, cores, and versions."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        processor = names[0] if names else processor
    return {
        "processor": processor,
        "cores": os.cpu_count() or 1,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def matmul_rate(threads: int, size: int = 2048, repeats: int = 7) -> dict[str, float]:
    """GFLOP/s of a large float32 product with `torch.mm`, and with the kernel that the engine uses."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    x, y = torch.randn(size, size), torch.randn(size, size)
    calls = {"torch.mm": lambda: torch.mm(x, y), "engine": lambda: matmul_transposed(x, y)}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - begin)
    torch.set_num_threads(before)
    return {name: 2 * size**3 / statistics.median(seconds) / 1e9 for name, seconds in times.items()}
