"""The scale of the logits at every checkpoint, and how much of the loss has no gradient left."""

from __future__ import annotations

from math import nan

import pandas as pd
import torch

from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext, knows_its_split
from grokscope.analysis.checkpoint.memory import no_pairs
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints
from grokscope.model import Weights
from grokscope.probes import output_statistics

CHUNK = 8192
"""Examples whose logits are held at a time."""


@over_checkpoints(
    family="dynamics", version=1, applies_to=knows_its_split, prepare=RunContext.prepare_dynamics, memory=no_pairs
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
    context = checkpoint.context
    own = context.config.dtype
    weights = {own: checkpoint.weights, "float64": in_float64(checkpoint.weights)}
    gain = checkpoint.weights.get("ln_final.w")
    gain_norm = nan if gain is None else float(torch.linalg.vector_norm(gain.double()))
    rows = [{"dtype": dtype, **_statistics(context, of), "final_gain_norm": gain_norm} for dtype, of in weights.items()]
    return pd.DataFrame(rows)


def in_float64(weights: Weights) -> Weights:
    """The same weights in float64; constants that are no floats stay as they are."""
    return {name: value.double() if value.is_floating_point() else value for name, value in weights.items()}


def _statistics(context: RunContext, weights: Weights) -> dict[str, float]:
    """Means over examples, some at a time; standard deviations by their squares."""
    engine, examples, temperature = context.engine, context.train, context.run.config.loss.temperature
    hidden = f"blocks.{engine.config.n_layers - 1}.hook_resid_post"
    sums: dict[str, float] = {}
    for chunk in examples.split(CHUNK):
        activations = engine.answer_activations(weights, chunk, ["logits", hidden])
        logits, labels = activations["logits"], engine.labels[chunk]
        means = {"loss": float(context.loss(logits, labels, "mean")), **output_statistics(logits / temperature, labels)}
        means["logit_std"] **= 2
        means["hidden_norm"] = float(torch.linalg.vector_norm(activations[hidden].double(), dim=1).mean())
        for name, value in means.items():
            sums[name] = sums.get(name, 0.0) + value * len(chunk) / len(examples)
    return {**sums, "logit_std": sums["logit_std"] ** 0.5}
