"""The pairs of a frame's group with the network's logits, labels and splits, those of one product together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.frames import Frame
from grokscope.analysis.checkpoint.grid import SPLITS
from grokscope.engine import cross_entropies


@dataclass(frozen=True, eq=False)
class Pairs:
    """The pairs of a frame's group, those of one product together: index [g, a] is the pair (a, a^-1 g)."""

    labels: Int[Tensor, "product left"]
    """The answer's token; 0 where the pair is no example, which is in no split."""
    splits: dict[str, Bool[Tensor, "product left"]]
    """Splits without pairs are left out."""
    label_weights: dict[str, Float[Tensor, "product d_vocab_out"]]
    """The share of a split's pairs that have this product and this label."""
    logits: Float[Tensor, "product left d_vocab_out"]
    full: Float[Tensor, "product left"]
    """The network's own loss."""
    right: Bool[Tensor, "product left"]
    """Whether it answers as the label says."""

    @staticmethod
    def of(checkpoint: Checkpoint, frame: Frame) -> Pairs:
        """At one checkpoint."""
        grid, order = checkpoint.context.grids[frame.operation], checkpoint.context.bases[frame].pairs
        labels = grid.labels.flatten()[order].clamp(min=0)
        splits = {split: grid.splits[split].flatten()[order] for split in SPLITS}
        splits = {split: mask for split, mask in splits.items() if bool(mask.any())}
        logits = checkpoint.activations(frame.operation, "logits")
        logits = rearrange(logits, "row col answer -> (row col) answer")[order]
        weights = {}
        for split, mask in splits.items():
            count = torch.zeros((len(labels), logits.shape[-1]), dtype=torch.float64)
            count.scatter_add_(1, labels, mask.double())
            weights[split] = count / count.sum()
        right = logits.argmax(-1) == labels
        return Pairs(labels, splits, weights, logits, cross_entropies(logits, labels), right)

    def mean(self, of_pairs: Shaped[Tensor, "*set product left"], split: str) -> Float[Tensor, "*set"]:
        """The mean over the pairs of a split; over those of them that have a value."""
        return of_pairs[..., self.splits[split]].double().nanmean(-1)
