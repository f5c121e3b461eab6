"""Memory and disk that a run takes, beside what `grokscope.training.estimate` says before it begins.

    python -m benchmarks.memory [--only NAME ...] [--smallest]

Each kind of run is trained a few steps in a process of its own: past two evaluations, checkpoints, recordings and saved
states. Memory is the largest resident size above that of the process when training begins, disk what is in the
directory in the end; both in MB, and as a share of the estimate.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from rich.console import Console
from rich.table import Table

from benchmarks.command_line import command_line
from benchmarks.smallest import SMALLEST
from grokscope.config import RunConfig, override, preset

STEPS = 24
COMMON: dict[str, Any] = {"steps": STEPS, "eval_every": 8, "checkpoints.every": 8, "record_every": 8}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "mul": ("mul-lion-clip", {}),
    "mul, full batch": ("mul-lion-clip", {"batch_size": None}),
    "S5": ("s5-lion-clip", {}),
    "mixed": ("mixed-lion-clip", {}),
    "S6": ("s5-lion-clip", {"degree": 6, "steps": 8}),
    "one layer": ("mul-lion-clip", {"n_layers": 1, "d_model": 512, "d_mlp": 2048}),
    "12 layers": ("mul-lion-clip", {"n_layers": 12, "batch_size": 256}),
    "wide": ("mul-lion-clip", {"d_model": 1024, "d_mlp": 4096, "batch_size": 128, "steps": 8}),
    "wide, AdamW": ("mul-adamw", {"d_model": 1024, "d_mlp": 4096, "batch_size": 128, "steps": 8}),
    "engine": ("mul-lion-clip", {"forward": "engine", "batch_size": None}),
    "hooked": ("mul-lion-clip", {"forward": "hooked", "batch_size": 2048, "steps": 8}),
    "modulus 499": ("mul-lion-clip", {"modulus": 499, "steps": 8}),
    "margins, S5": ("s5-lion-clip", {"margins_every": 4}),
    "window": ("mul-lion-clip", {"gradient.name": "grokfast_ma", "window": 100}),
    "neuralgrok": ("mul-lion-clip", {"gradient.name": "neuralgrok"}),
}
"""Presets, and the settings that differ."""


def config_of(name: str, smallest: bool) -> RunConfig:
    """The config of a kind of run."""
    base, changes = KINDS[name]
    config = override(preset(base), {**COMMON, **changes})
    if not smallest:
        return config
    return override(config, {**{key: value for key, value in SMALLEST.items() if key not in changes}, "degree": 3})


def measured(name: str, smallest: bool) -> dict[str, Any]:
    """Bytes of memory and disk of a kind of run, as estimated and as measured, in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.memory", "--child", name, *["--smallest"] * smallest]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def child(name: str, smallest: bool) -> dict[str, Any]:
    """The same, here."""
    from grokscope.training import estimate, loop, train

    loop.STATE_EVERY_SECONDS = -1.0  # a saved state at every evaluation
    config = config_of(name, smallest)
    told = {"memory": estimate.memory(config), "disk": estimate.disk(config)}
    with tempfile.TemporaryDirectory() as folder:
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak of what was imported
        before = _kilobytes("VmRSS")
        train(config, Path(folder, "run"), progress=False)
        peak = 1024 * (_kilobytes("VmHWM") - before)
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    return {"estimated": told, "measured": {"memory": peak, "disk": size}}


def _kilobytes(field: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[field].split()[0])


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS), help="kinds of run")
    parser.add_argument("--child", choices=KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options.child, options.smallest)))
        return
    table = Table("run", box=None, header_style="bold")
    for column in ("memory", "estimate", "share", "disk", "estimate", "share"):
        table.add_column(column, justify="right")
    for name in options.only:
        found = measured(name, options.smallest)
        cells = []
        for kind in ("memory", "disk"):
            size, told = found["measured"][kind], found["estimated"][kind]
            cells += [f"{size / 1e6:.1f}", f"{told / 1e6:.1f}", f"{size / told:.2f}"]
        table.add_row(name, *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
