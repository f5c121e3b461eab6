"""What memory an analysis of checkpoints needs, and a refusal before it starts where the machine has less.

Estimates are upper bounds of what is held at a time, worked out from the order of the group and the sizes of the
network; `python -m benchmarks.analysis --memory` measures the peak that they are for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from grokscope.analysis.checkpoint.blocks import BLOCK, KEPT_BYTES
from grokscope.analysis.checkpoint.frames import has_basis

if TYPE_CHECKING:
    from grokscope.analysis.checkpoint.checkpoint import RunContext

AT_ONCE = 5
"""Arrays of one block that are held at a time: what is transformed, what comes of it, and what is in between."""
FLOAT64 = 8
GIGABYTE = 1e9
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Footprint:
    """Bytes that analyses hold at a time."""

    shared: int
    """By all checkpoints of a run."""
    each: int
    """By each checkpoint that is looked at."""

    def of(self, workers: int) -> int:
        """With so many checkpoints at a time."""
        return self.shared + workers * self.each


def no_pairs(context: RunContext) -> Footprint:
    """Of analyses that look at some examples at a time: the weights a few times over."""
    config = context.config
    weights = config.n_layers * 12 * config.d_model**2 + 2 * config.d_model * context.engine.d_vocab_out
    return Footprint(0, 8 * FLOAT64 * weights)


def all_pairs(context: RunContext) -> Footprint:
    """Of analyses of a circuit: activations at all pairs, their transforms, and the products that each block takes."""
    small = no_pairs(context)
    if not has_basis(context.run):
        return small
    groups = {frame.group.name: frame.group for frame in context.frames}
    spans = {name: [irrep.span_dim for irrep in group.irreps] for name, group in groups.items()}
    maps = sum(2 * FLOAT64 * span**3 for of_group in spans.values() for span in of_group)
    pairs = sum(grid.shape[0] * grid.shape[1] for grid in context.grids.values())
    item = context.item_bytes
    activations, transforms, temporary = 0, 0, 0
    for operation in context.grids:
        every = context.bytes_of(operation, context.activation_names)
        largest = max(context.bytes_of(operation, (name,)) for name in context.activation_names)
        activations = max(activations, largest, min(every, KEPT_BYTES))
        temporary = max(temporary, AT_ONCE * min(largest, item * BLOCK))
    for frame in context.frames:
        diagonal = sum(span**2 for span in spans[frame.group.name])  # of the last layer and of logits, for ablations
        outputs = context.grids[frame.operation].engine.d_vocab_out
        transforms += item * diagonal * (context.config.d_mlp + outputs)
        ablated = 3 * FLOAT64 * max(spans[frame.group.name]) ** 2 * max(context.config.d_mlp, outputs)
        temporary = max(temporary, ablated)
        wholes = [context.bytes_of(frame.operation, (name,)) for name in context.activation_names]
        transforms += sum(size for size in wholes if size <= item * BLOCK)
    return Footprint(small.shared + maps + pairs * 32 * FLOAT64, small.each + activations + transforms + temporary)


def check_memory(context: RunContext, footprints: Mapping[str, Footprint], workers: int) -> None:
    """Raise ValueError where analyses, by name, need more memory than is free."""
    free = free_bytes()
    needed = {name: footprint.of(workers) for name, footprint in footprints.items()}
    too_large = [name for name, size in needed.items() if size > free]
    if not too_large:
        return
    most = max(needed[name] for name in too_large)
    alone = max(footprints[name].of(1) for name in too_large)
    smaller = [name for name in needed if name not in too_large]
    would_do = [f"a machine with {alone / GIGABYTE:.1f} GB free"]
    if workers > 1:
        would_do.insert(0, f"one checkpoint at a time (workers = 1), which needs {alone:,} bytes")
    if smaller:
        would_do.append(f"the analyses that need less ({', '.join(smaller)})")
    raise ValueError(
        f"{', '.join(too_large)} of run {context.run.name!r} would need {most:,} bytes of memory with "
        f"{workers} checkpoint{'s' * (workers > 1)} at a time, and {free:,} are free; what would do: "
        f"{', or '.join(would_do)}"
    )


def free_bytes() -> int:
    """Memory that this process may still take: of the machine, and of the control group that a container sets."""
    free = psutil.virtual_memory().available
    try:
        limit, used = ((_CGROUP / name).read_text("ascii").strip() for name in ("memory.max", "memory.current"))
        cached = dict(line.split() for line in (_CGROUP / "memory.stat").read_text("ascii").splitlines())
    except OSError:
        return free
    if limit == "max":
        return free
    return min(free, int(limit) - int(used) + int(cached.get("inactive_file", 0)))
