"""Blocks of bounded size: how analyses of large groups go through units, products or examples.

All pairs of S6 are 518,400, and its logits at all pairs 373 million numbers. What is made of them for a moment is made
of so much at a time. Tables do not depend on the size but for rounding, in the precision that they are computed in;
for a group of up to 120 elements, and arithmetic modulo up to 127, a network of the published sizes is one block.

What is read off each block is written into an array that was made before the first. Were it kept in a list, each small
result would lie behind the large arrays of its block, whose memory then serves no later block (2.4 GB for S6).
"""

from __future__ import annotations

BLOCK = 2**23
"""Numbers in an array that is made for a moment."""
KEPT_BYTES = 2**30
"""Activations of one checkpoint that are kept for the next analysis; one that is more by itself is made again."""


def in_blocks(count: int, each: int) -> list[slice]:
    """So many things, of which each takes `each` numbers, in blocks of at most BLOCK numbers, or of one thing."""
    size = max(1, BLOCK // each)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
