"""How much of every site is about the answer: its variance over pairs, split into orthogonal parts.

A circuit reads a and b and writes a * b. Early sites are functions of one operand, the last are functions of the
answer, through whichever irreps and with whatever coefficients: no key set is asked for, and no characters. The parts
are those of `grokscope.analysis.checkpoint.parts`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.analysis.checkpoint.blocks import in_blocks
from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext
from grokscope.analysis.checkpoint.frames import Frame, has_group
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints
from grokscope.analysis.checkpoint.parts import CHUNK, PARTS, Energies


def prepare(context: RunContext) -> None:
    """What threads share: grids, and the parts of every split."""
    _ = context.grids, context.parts


@over_checkpoints(family="fourier", applies_to=has_group, prepare=prepare)
def answer_share(checkpoint: Checkpoint) -> pd.DataFrame:
    """What share of the variance of every site is about the answer, about one operand, or about neither.

    Over the pairs of group elements of each split. On `all` of them the parts are orthogonal; on `train` and `val` each
    is what it adds to those before, in the order of the list: a function of the answer on that split is `answer` and
    nothing else.

        answer      functions of a * b
        left        functions of a alone
        right       functions of b alone
        quotient    what functions of a * b^-1 add to those of a * b
        rest        what is left

    Returns:
        run, task, arm, seed, step, operation, basis (`own`), group, site (`blocks.L.attn_out`, `blocks.L.mlp.post`,
        `blocks.L.resid_post`, `logits`, those centred over the answers of each pair), split (`all`, `train`, `val`),
        part, share (of the site's variance, summed over its units: the parts sum to 1), median (of the share in each
        unit that varies), chance (the share of values that are drawn alike for all pairs), pairs (of the split).
        A site that does not vary has share and median NaN. A split without two pairs has no rows.
    """
    rows = []
    for frame in checkpoint.context.own:
        parts = checkpoint.context.parts[frame]
        for site, blocks in sites(checkpoint, frame):
            found = [parts.energies(x) for x in blocks]
            for split in parts.sets:
                energies = Energies.joined([of_block[split] for of_block in found])
                of = parts.sets[split]
                shares = (energies.weighted.tolist(), energies.median.tolist(), of.chance.tolist())
                for part, share, median, chance in zip(PARTS, *shares, strict=True):
                    about = {**frame.keys, "site": site, "split": split, "part": part}
                    rows.append(about | {"share": share, "median": median, "chance": chance, "pairs": of.n_pairs})
    return pd.DataFrame(rows)


def sites(checkpoint: Checkpoint, frame: Frame) -> Iterator[tuple[str, Iterator[Float[Tensor, "pair unit"]]]]:
    """Every site of the network at all pairs of the grid, so many units at a time."""

    def at(name: str) -> Float[Tensor, "pair unit"]:
        return checkpoint.activations(frame.operation, name).flatten(0, 1)

    def in_parts(x: Float[Tensor, "pair unit"]) -> Iterator[Float[Tensor, "pair some"]]:
        return (x[:, block] for block in in_blocks(x.shape[1], len(x)))

    for layer in checkpoint.context.layers:
        yield f"blocks.{layer}.attn_out", in_parts(at(f"blocks.{layer}.hook_attn_out"))
        if layer in checkpoint.context.mlp_layers:
            yield f"blocks.{layer}.mlp.post", in_parts(at(f"blocks.{layer}.mlp.hook_post"))
        yield f"blocks.{layer}.resid_post", in_parts(at(f"blocks.{layer}.hook_resid_post"))
    logits, answers = at("logits"), torch.from_numpy(frame.answer)
    mean = torch.cat([rows[:, answers].mean(1, keepdim=True) for rows in logits.split(CHUNK)])
    yield "logits", (logits[:, answers[block]] - mean for block in in_blocks(len(answers), len(logits)))
