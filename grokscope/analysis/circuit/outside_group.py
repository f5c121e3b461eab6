"""Operands that stand for no group element (0 under multiplication and division), reported on their own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.frames import has_group
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints
from grokscope.engine import cross_entropies

COLUMNS = (
    "operation",
    "token",
    "split",
    "examples",
    "loss",
    "accuracy",
    "embedding_norm",
    "other_embedding_norm",
    "cosine_with_mean",
)


@over_checkpoints(family="fourier", version=1, applies_to=has_group)
def outside_group(checkpoint: Checkpoint) -> pd.DataFrame:
    """What the network does with operands that the Fourier transform leaves out.

    A token is looked at on each side of the operation for itself: under (x + 1) * y modulo p, the number p - 1 stands
    for no element on the left, and for one on the right.

    Returns:
        run, task, arm, seed, step, operation, token (its name), split (`train`, `val`, `all`), examples (in which it
        is an operand that stands for no element), loss (nats) and accuracy on them, embedding_norm,
        other_embedding_norm (mean norm of the tokens that stand for an element on either side), cosine_with_mean (of
        its embedding with their mean embedding). No rows for operations whose operands all are group elements, and for
        splits without such examples.
    """
    rows = []
    for frame in checkpoint.context.own:
        grid = checkpoint.context.grids[frame.operation]
        outside_left, outside_right = np.setdiff1d(grid.left, frame.left), np.setdiff1d(grid.right, frame.right)
        outside = np.union1d(outside_left, outside_right).tolist()
        if not outside:
            continue
        logits = checkpoint.activations(frame.operation, "logits")
        embedding = checkpoint.weights["embed.W_E"].double()
        others = embedding[torch.from_numpy(np.union1d(frame.left, frame.right))]
        for token in outside:
            on_left = torch.from_numpy(grid.left == token) & (token in outside_left)
            on_right = torch.from_numpy(grid.right == token) & (token in outside_right)
            uses = on_left[:, None] | on_right[None, :]
            own, mean = embedding[token], others.mean(0)
            for split, mask in grid.splits.items():
                chosen = mask & uses
                if bool(chosen.any()):
                    labels = grid.labels[chosen]
                    rows.append(
                        {
                            "operation": frame.operation,
                            "token": checkpoint.context.task.token_names[token],
                            "split": split,
                            "examples": int(chosen.sum()),
                            "loss": float(cross_entropies(logits[chosen], labels).double().mean()),
                            "accuracy": float((logits[chosen].argmax(-1) == labels).double().mean()),
                            "embedding_norm": float(own.norm()),
                            "other_embedding_norm": float(others.norm(dim=1).mean()),
                            "cosine_with_mean": float(torch.cosine_similarity(own, mean, dim=0)),
                        }
                    )
    return pd.DataFrame(rows, columns=list(COLUMNS))
