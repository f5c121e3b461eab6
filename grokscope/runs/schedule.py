"""Which steps are checkpointed. The first and the last always are; that is the trainer's business."""

from __future__ import annotations

from math import ceil, floor, log10

from grokscope.config import CheckpointConfig


def checkpoint_due(config: CheckpointConfig, step: int, sustained_since: int | None) -> bool:
    """Whether the schedule saves the weights after `step` updates.

    every   steps that `every` divides
    log     the integers nearest to 10^(k / per_decade), k = 0, 1, ..., each once
    dense   steps that `every` divides up to `sustained_since`, and those that `sparse_every` divides after it
    ends    none but step 0

    `sustained_since` is the step at which the grok was known to be sustained (`Milestones.sustained_at`),
    None as long as it is not. Step 0 is due in every schedule.
    """
    if step == 0:
        return True
    if config.schedule == "ends":
        return False
    if config.schedule == "log":
        # If any 10^(k/n) rounds to `step`, then so does one of the two nearest to it in the exponent.
        exponent = config.per_decade * log10(step)
        return any(round(10 ** (k / config.per_decade)) == step for k in (floor(exponent), ceil(exponent)))
    if config.schedule == "dense" and sustained_since is not None and step > sustained_since:
        return step % config.sparse_every == 0
    return step % config.every == 0
