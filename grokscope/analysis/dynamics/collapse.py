"""The scale of the logits at every checkpoint, and how much of the loss has no gradient left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import nan

import pandas as pd
import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext, knows_its_split
from grokscope.analysis.checkpoint.memory import all_pairs
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints
from grokscope.model import Weights
from grokscope.probes import output_statistics

CHUNK = 8192
"""Examples whose logits are held at a time."""
Outputs = tuple[Float[Tensor, "example answer"], Float[Tensor, "example d_model"], Int[Tensor, "example"]]
"""Logits, final hidden state before the last norm, and labels of some examples."""


@over_checkpoints(
    family="dynamics", version=2, applies_to=knows_its_split, prepare=RunContext.prepare_outputs, memory=all_pairs
)
def collapse(checkpoint: Checkpoint) -> pd.DataFrame:
    """Statistics of the logits over the train set, in the run's dtype and in float64 of the same weights.

    Of the logits that the loss sees: divided by `loss.temperature`.

    Returns:
        run, task, arm, seed, step, dtype (of the forward pass: the run's own, and `float64`), loss (the run's,
        in nats), logit_std (standard deviation of logits centred over the answers), margin (right answer minus the
        largest other), entropy (of the predicted distribution, in nats), zero_loss (share of examples with loss 0),
        collapse (share with sum_j exp(z_j - max z) == 1), hidden_norm (mean norm of the final hidden state before the
        last norm), final_gain_norm (NaN without LayerNorm). See `grokscope.probes.outputs`.

    Softmax collapse comes from rounding: it is the part that float32 shows and float64 of the same weights does not.
    Raises ValueError for a network whose train set is not known.
    """
    gain = checkpoint.weights.get("ln_final.w")
    gain_norm = nan if gain is None else float(torch.linalg.vector_norm(gain.double()))
    context = checkpoint.context
    outputs = {context.config.dtype: _own_outputs(checkpoint)}
    if context.config.dtype != "float64":
        outputs["float64"] = _outputs(context, in_float64(checkpoint.weights))
    rows = [
        {"dtype": dtype, **_statistics(context, of_dtype), "final_gain_norm": gain_norm}
        for dtype, of_dtype in outputs.items()
    ]
    return pd.DataFrame(rows)


def in_float64(weights: Weights) -> Weights:
    """The same weights in float64; constants that are no floats stay as they are."""
    return {name: value.double() if value.is_floating_point() else value for name, value in weights.items()}


def _own_outputs(checkpoint: Checkpoint) -> Iterator[Outputs]:
    """In the run's dtype: from the activations at all pairs that analyses of the circuit read, where there are such."""
    context = checkpoint.context
    if not context.train_pairs:
        yield from _outputs(context, checkpoint.weights)
        return
    for operation, pairs in context.train_pairs.items():
        labels = context.grids[operation].labels.flatten()
        logits, hidden = (
            rearrange(checkpoint.activations(operation, name), "row col unit -> (row col) unit")
            for name in ("logits", _hidden(context))
        )
        for chunk in pairs.split(CHUNK):
            yield logits[chunk], hidden[chunk], labels[chunk]


def _outputs(context: RunContext, weights: Weights) -> Iterator[Outputs]:
    for chunk in context.train.split(CHUNK):
        activations = context.engine.answer_activations(weights, chunk, ["logits", _hidden(context)])
        yield activations["logits"], activations[_hidden(context)], context.engine.labels[chunk]


def _hidden(context: RunContext) -> str:
    return f"blocks.{context.last}.hook_resid_post"


def _statistics(context: RunContext, outputs: Iterable[Outputs]) -> dict[str, float]:
    """Means over examples, some at a time; standard deviations by their squares."""
    temperature = context.run.config.loss.temperature
    sums: dict[str, float] = {}
    for logits, hidden, labels in outputs:
        means = {"loss": float(context.loss(logits, labels, "mean")), **output_statistics(logits / temperature, labels)}
        means["logit_std"] **= 2
        means["hidden_norm"] = float(torch.linalg.vector_norm(hidden.double(), dim=1).mean())
        for name, value in means.items():
            sums[name] = sums.get(name, 0.0) + value * len(labels) / len(context.train)
    return {**sums, "logit_std": sums["logit_std"] ** 0.5}
