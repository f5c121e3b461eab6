"""What each neuron answers to: those of the first layer by frequency, those of the last by answer.

A network can read its operands through few irreps and write each answer with neurons of its own. Then the first layer's
neurons gather at those irreps, and the last layer's at answers: `neurons` calls the latter `other`, for a neuron that
answers to one a * b is spread over all irreps.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.frames import Frame, has_neurons_in_basis
from grokscope.analysis.checkpoint.over_checkpoints import last_step, over_checkpoints
from grokscope.analysis.checkpoint.transform import Transform
from grokscope.analysis.circuit.neurons import family_energies
from grokscope.groups import short_label

BY = ("irrep", "answer")


@over_checkpoints(family="fourier", applies_to=has_neurons_in_basis, steps=last_step)
def neuron_tuning(checkpoint: Checkpoint) -> pd.DataFrame:
    """What share of each first-layer neuron each irrep explains, and what each last-layer neuron makes of each answer.

    At the last checkpoint, in the task's own basis. Neurons that do not vary are left out.
    In a basis by choice answers are no products, and the table is of irreps alone.

    Returns:
        run, task, arm, seed, step, operation, basis (`own`), group, layer, by (`irrep`: of the first layer; `answer`:
        of the last), neuron, place (0, 1, ... in the order of the irrep or answer that each answers to most, then of
        how much), label (of the irrep: its frequency, or its name where it has none of its own; of the answer: its
        token's name), at (the position of that irrep or answer among all), value: for `irrep` the share of the neuron's
        variance over pairs that it explains (left, right and block; see `neurons`), for `answer` the neuron's mean over
        the pairs with that answer, less its mean over all, in its standard deviations over pairs.
    """
    by_choice = checkpoint.context.run.basis is not None
    tables = [_layer(checkpoint, frame, by) for frame in checkpoint.context.own for by in (BY[:1] if by_choice else BY)]
    return pd.concat(tables, ignore_index=True)


def _layer(checkpoint: Checkpoint, frame: Frame, by: str) -> pd.DataFrame:
    context = checkpoint.context
    layer = context.neuron_layers[0 if by == "irrep" else -1]
    basis = context.bases[frame]
    transform = checkpoint.transform(frame, f"blocks.{layer}.mlp.hook_post")
    variance = transform.variance.double().numpy()
    varies = np.flatnonzero(variance > 0)
    if by == "irrep":
        energy = family_energies(transform)
        explained = torch.stack([energy[family] for family in ("left", "right", "block")]).sum(0).numpy()
        values = explained[1:, varies] / variance[varies]
        labels = [short_label(irrep.name, irrep.frequency) for irrep in frame.group.irreps[1:]]
    else:
        values = _by_answer(transform)[:, varies] / np.sqrt(variance[varies] / basis.n**2)
        labels = [context.task.token_names[token] for token in frame.answer]
    order = sorted_by_best(values)
    where, place = np.divmod(np.arange(values.size), max(len(order), 1))
    return pd.DataFrame(
        {
            **frame.keys,
            "layer": layer,
            "by": by,
            "neuron": varies[order][place],
            "place": place,
            "label": pd.array(np.array(labels, dtype=object)[where], dtype="string"),
            "at": where,
            "value": values[:, order].ravel(),
        }
    )


def _by_answer(transform: Transform) -> Float[np.ndarray, "answer neuron"]:
    """Means over the pairs of each answer, less those over all pairs."""
    return (transform.basis.F[:, 1:] @ transform.product.double()[1:]).numpy()


def sorted_by_best(values: Float[np.ndarray, "place neuron"]) -> Int[np.ndarray, " neuron"]:
    """Neurons in the order of the place where each is largest; those of one place from the largest down."""
    best = values.argmax(0)
    return np.lexsort((-values.max(0), best))
