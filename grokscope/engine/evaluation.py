"""Loss and accuracy over any number of examples, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.engine.loss import Loss
from grokscope.engine.losses.cross_entropy import cross_entropy

CHUNK = 1024
"""Examples computed at a time; more are not faster."""


@torch.no_grad()
def evaluate(
    answer_logits: Callable[[Int[Tensor, "example"]], Float[Tensor, "example d_vocab_out"]],
    labels: Int[Tensor, "all_examples"],
    examples: Int[Tensor, "example"],
    loss: Loss = cross_entropy,
) -> tuple[float, float]:
    """Mean loss (nats) and accuracy of a network that gives the logits of chosen examples.

    The loss is computed in float64, whatever the logits are in: in float32 small losses come out as 0.

    Arguments:
        answer_logits: the network; called on at most `CHUNK` examples at a time.
        labels: answers of the whole task.
        examples: which of them to evaluate.
        loss: cross-entropy, if not given.
    """
    total, correct = 0.0, 0
    for chunk in examples.split(CHUNK):
        logits = answer_logits(chunk)
        total += float(loss(logits.double(), labels[chunk], "sum"))
        correct += int((logits.argmax(-1) == labels[chunk]).sum())
    return total / len(examples), correct / len(examples)
