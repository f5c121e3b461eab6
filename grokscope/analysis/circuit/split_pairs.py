"""The pairs of a frame's group with the network's logits, labels and splits, those of one product together."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from grokscope.analysis.checkpoint.blocks import in_blocks
from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.frames import Frame
from grokscope.analysis.checkpoint.grid import SPLITS
from grokscope.engine import cross_entropies
from grokscope.model import d_vocab_out


@dataclass(frozen=True, eq=False)
class Pairs:
    """The pairs of a frame's group, those of one product together: index [g, a] is the pair (a, a^-1 g)."""

    labels: Int[Tensor, "product left"]
    """The answer's token; 0 where the pair is no example, which is in no split."""
    splits: dict[str, Bool[Tensor, "product left"]]
    """Splits without pairs are left out."""
    label_weights: dict[str, Float[Tensor, "product d_vocab_out"]]
    """The share of a split's pairs that have this product and this label."""
    blocks: list[slice]
    """Of products, so many at a time."""
    full: Float[Tensor, "product left"]
    """The network's own loss, in float64."""
    right: Bool[Tensor, "product left"]
    """Whether it answers as the label says."""
    mean_logits: Float[Tensor, "product d_vocab_out"]
    """Means over the pairs of each product, in float64."""
    order: Int[Tensor, "product left"]
    """Where in the flattened grid the pairs are."""
    checkpoint: Checkpoint
    operation: str

    @staticmethod
    def of(checkpoint: Checkpoint, frame: Frame) -> Pairs:
        """At one checkpoint."""
        grid, order = checkpoint.context.grids[frame.operation], checkpoint.context.bases[frame].pairs
        labels = grid.labels.flatten()[order].clamp(min=0)
        splits = {split: grid.splits[split].flatten()[order] for split in SPLITS}
        splits = {split: mask for split, mask in splits.items() if bool(mask.any())}
        weights, outputs = {}, d_vocab_out(checkpoint.context.config, checkpoint.context.task)
        for split, mask in splits.items():
            count = torch.zeros((len(labels), outputs), dtype=torch.float64)
            count.scatter_add_(1, labels, mask.double())
            weights[split] = count / count.sum()
        blocks = in_blocks(len(order), 2 * len(order) * outputs)  # 2: some of it is in float64
        full = torch.empty(order.shape, dtype=torch.float64)
        right = torch.empty(order.shape, dtype=torch.bool)
        means = torch.empty((len(order), outputs), dtype=torch.float64)
        pairs = Pairs(labels, splits, weights, blocks, full, right, means, order, checkpoint, frame.operation)
        with pairs.holding_logits():
            for block in blocks:
                some = pairs.logits(block)
                full[block] = cross_entropies(some, labels[block])
                right[block] = some.argmax(-1) == labels[block]
                means[block] = some.double().mean(1)
        return pairs

    def holding_logits(self) -> AbstractContextManager[None]:
        """Keep the logits of all pairs for as long."""
        return self.checkpoint.holding(self.operation, "logits")

    def logits(self, block: slice) -> Float[Tensor, "some left d_vocab_out"]:
        """The network's logits at the pairs of some products."""
        return self.checkpoint.activations(self.operation, "logits").flatten(0, 1)[self.order[block]]

    def mean(self, of_pairs: Shaped[Tensor, "*set product left"], split: str) -> Float[Tensor, "*set"]:
        """The mean over the pairs of a split; over those of them that have a value."""
        return of_pairs[..., self.splits[split]].double().nanmean(-1)
