"""What the processor is called: which library multiplies fastest depends on its family."""

from __future__ import annotations

import platform
from pathlib import Path

_INFO = Path("/proc/cpuinfo")
"""Where Linux tells it."""


def name_and_family() -> tuple[str, str]:
    """The processor's name, and its family and model; `unknown` for these where the system does not say."""
    if not _INFO.exists():
        return platform.processor() or platform.machine(), "unknown"
    lines = [line.partition(":") for line in _INFO.read_text(encoding="utf-8", errors="replace").splitlines()]
    fields = {key.strip(): value.strip() for key, _, value in lines}
    name = fields.get("model name", platform.processor() or platform.machine())
    return name, f"{fields.get('cpu family', '?')} model {fields.get('model', '?')}"
