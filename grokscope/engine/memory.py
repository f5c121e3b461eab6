"""Keeping freed memory in the process.

A training step allocates and frees a few dozen megabytes of activations. glibc hands blocks of that
size back to the kernel at once and asks for fresh, zeroed pages at the next step; on virtual machines
the page faults cost a fifth of the step (see benchmarks/README.md).
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # from glibc's malloc.h
_KEEP_BYTES = 1 << 30


@cache
def retain_freed_memory() -> bool:
    """Tell the C library to keep up to 1 GiB of freed memory for reuse; whether it could be told.

    Changes no result. It holds for the rest of the process; other platforms than Linux with glibc are
    left as they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    # 32 MiB is glibc's own limit for the mmap threshold (HEAP_MAX_SIZE / 2).
    settings = ((_M_MMAP_THRESHOLD, 32 << 20), (_M_TRIM_THRESHOLD, _KEEP_BYTES), (_M_TOP_PAD, 64 << 20))
    told = [bool(mallopt(option, value)) for option, value in settings]  # each, whether or not another is refused
    return all(told)
