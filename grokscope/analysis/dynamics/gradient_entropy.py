"""How a gradient is spread over the weights, at every checkpoint: absolute and normalised gradient entropy."""

from __future__ import annotations

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext, knows_its_split
from grokscope.analysis.checkpoint.memory import no_pairs
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints
from grokscope.analysis.dynamics.parameter_groups import by_group, parameter_groups
from grokscope.model import Weights, tied, trained_names
from grokscope.probes import absolute_entropy, entropy_of_sums, entropy_sums

CHUNK = 2048
"""Examples of one backward pass."""


@over_checkpoints(
    family="dynamics", version=1, applies_to=knows_its_split, prepare=RunContext.prepare_dynamics, memory=no_pairs
)
def gradient_entropy(checkpoint: Checkpoint) -> pd.DataFrame:
    """Entropy of the gradient of the run's mean loss on the whole train set, computed from checkpoints.

    Returns:
        run, task, arm, seed, step, group (`all`, or of `grokscope.model.ROLES`), parameter (empty for a whole group),
        gradient_l1, gradient_l2, gradient_absolute_entropy (AGE), gradient_normalised_entropy (nats),
        gradient_effective_number, weight_absolute_entropy. See `grokscope.probes.entropy` for the formulas.

    Keys' biases (b_K) move no output: their gradient is rounding, and its normalised entropy that of noise.
    Probes recorded while training have the same columns, of the gradient of a step's batch: a batch's gradient is
    the train set's and noise, which spreads it. Raises ValueError for a network whose train set is not known.
    """
    context = checkpoint.context
    names = trained_names(checkpoint.weights, context.config)
    _, gradient = loss_and_gradient(context, checkpoint.weights, names, context.train)
    sums = {name: entropy_sums(gradient[name]) for name in names}
    of_weights = {name: absolute_entropy(checkpoint.weights[name]) for name in names}
    by_name = {}
    for group, of in parameter_groups(names).items():
        values = {f"gradient_{name}": value for name, value in entropy_of_sums(sums[name] for name in of).items()}
        by_name[group] = {**values, "weight_absolute_entropy": sum(of_weights[name] for name in of)}
    return by_group(by_name)


def loss_and_gradient(
    context: RunContext, weights: Weights, names: tuple[str, ...], examples: Int[Tensor, "example"]
) -> tuple[float, dict[str, Float[Tensor, "..."]]]:
    """The run's mean loss (nats) on some examples and its gradient by the named parameters, in bounded memory.

    A parameter that the loss does not depend on has a gradient of zeros.
    """
    leaves = {name: weights[name].detach().requires_grad_() for name in names}
    every = tied(context.config, {**weights, **leaves})
    total = 0.0
    gradient = {name: torch.zeros_like(value) for name, value in leaves.items()}
    for chunk in examples.split(CHUNK):
        logits = context.engine.answer_logits(every, chunk)
        loss = context.loss(logits, context.engine.labels[chunk], "sum") / len(examples)
        parts = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        total += float(loss.detach())
        for name, part in zip(names, parts, strict=True):
            if part is not None:
                gradient[name] += part
    return total, gradient
