"""The smallest size of a benchmark: tiny networks, to show in seconds that it works. Its figures mean nothing."""

from __future__ import annotations

from typing import Any

SMALLEST: dict[str, Any] = {
    "modulus": 13,
    "degree": 3,
    "n_layers": 1,
    "d_model": 32,
    "n_heads": 2,
    "d_mlp": 64,
    "batch_size": 64,
}
"""Settings, by short name, over those of a preset."""
MODULAR = {name: value for name, value in SMALLEST.items() if name != "degree"}
"""Those of a preset of modular arithmetic."""
HELP = "tiny networks, to show that it works; the figures mean nothing"
