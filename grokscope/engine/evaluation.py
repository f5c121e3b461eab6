"""Loss and accuracy over any number of examples, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

CHUNK = 1024
"""Examples computed at a time; more are not faster."""


@torch.no_grad()
def evaluate(
    answer_logits: Callable[[Int[Tensor, "example"]], Float[Tensor, "example d_vocab_out"]],
    labels: Int[Tensor, "all_examples"],
    examples: Int[Tensor, "example"],
) -> tuple[float, float]:
    """Mean cross-entropy (nats) and accuracy of a network that gives the logits of chosen examples.

    Arguments:
        answer_logits: the network; called on at most `CHUNK` examples at a time.
        labels: answers of the whole task.
        examples: which of them to evaluate.
    """
    loss, correct = 0.0, 0
    for chunk in examples.split(CHUNK):
        logits = answer_logits(chunk)
        loss += float(F.cross_entropy(logits, labels[chunk], reduction="sum"))
        correct += int((logits.argmax(-1) == labels[chunk]).sum())
    return loss / len(examples), correct / len(examples)
