"""Clock or pizza: which of two algorithms for the same answer the network runs.

A clock multiplies representations of its operands, so its logits depend on a * b and c alone and its gradients
treat operands differently; a pizza adds them and takes absolute values, so its logits weaken with the distance
a * b^-1 and its gradients with respect to both operands agree.
Source: Zhong, Liu, Tegmark, Andreas 2023, "The Clock and the Pizza: Two Stories in Mechanistic Explanation of
Neural Networks", section 4 (definitions 4.1 and 4.2) and appendix F (circularity).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.frames import Frame, has_group
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints
from grokscope.engine import Engine
from grokscope.groups import FiniteGroup
from grokscope.model import is_buffer

TRIPLES = 128
COMPONENTS = 4
MEASURES = ("gradient_symmetricity", "distance_irrelevance", "circularity")


@over_checkpoints(family="fourier", version=2, applies_to=has_group)
def clock_pizza(checkpoint: Checkpoint) -> pd.DataFrame:
    """Gradient symmetricity, distance irrelevance and circularity.

    gradient_symmetricity   mean cosine of dL[a, b, c]/dE_a and dL[a, b, c]/dE_b over 128 random triples (the same at
                            every checkpoint); E_a, E_b the embeddings at the operands' positions. 1: pizza.
    distance_irrelevance    mean over d of std of the correct logit over pairs with a * b^-1 = d, divided by its std
                            over all pairs. 0: it depends on the distance alone (pizza); 1: not at all (clock).
                            The correct logit is that of the task's answer, whatever the basis.
    circularity             mean over the embedding's first 4 principal components of the largest power of one irrep in
                            it: 1 for circles (cos and sin of one frequency).

    In the wrong basis elements, distances and irreps are those of the other arithmetic: numbers that lie on circles
    in one group lie on none in the other, and pairs are as far apart as chance has it. Gradient symmetricity knows no
    basis; there it is a second sample of triples, and differs as much as samples do.

    Returns:
        run, task, arm, seed, step, operation, basis, group, gradient_symmetricity, distance_irrelevance, circularity,
        note (why a value is missing; else empty). All three are NaN where the weights or the logits are not finite, as
        at the end of a run that diverged.
    """
    rows = []
    for frame in checkpoint.context.frames:
        problem = _not_finite(checkpoint, frame)
        if problem is not None:
            rows.append({**frame.keys, **dict.fromkeys(MEASURES, np.nan), "note": problem})
            continue
        notes = []
        symmetricity = _gradient_symmetricity(checkpoint, frame)
        if symmetricity is None:
            notes.append("the gradient by an operand is zero at every triple")
        irrelevance = distance_irrelevance(_correct_logits(checkpoint, frame), frame.group)
        if irrelevance is None:
            notes.append("the correct logit is the same at all pairs")
        circular = circularity(checkpoint.operand_tables(frame)[0], frame.group)
        if circular is None:
            notes.append("the embedding is the same for all elements")
        rows.append(
            {
                **frame.keys,
                "gradient_symmetricity": np.nan if symmetricity is None else symmetricity,
                "distance_irrelevance": np.nan if irrelevance is None else irrelevance,
                "circularity": np.nan if circular is None else circular,
                "note": "; ".join(notes),
            }
        )
    return pd.DataFrame(rows)


def _is_finite(values: Tensor) -> bool:
    """Whether no number is NaN or infinite; no tensor of as many is made."""
    return all(bool(extreme.isfinite()) for extreme in values.aminmax())


def _not_finite(checkpoint: Checkpoint, frame: Frame) -> str | None:
    """What of a network is NaN or infinite, as a note; None where nothing is."""
    weights = (tensor for name, tensor in checkpoint.weights.items() if not is_buffer(name))
    if not all(map(_is_finite, weights)):
        return "the network has weights that are NaN or infinite"
    if not _is_finite(checkpoint.activations(frame.operation, "logits")):
        return "the network has logits that are NaN or infinite"
    return None


def distance_irrelevance(correct: Float[np.ndarray, "left right"], group: FiniteGroup) -> float | None:
    """mean_d std(L[a, b] : a * b^-1 = d) / std(L); None where the logit L of the right answer is constant.

    Pairs without an answer are NaN (y = 0 under multiplication, read in Z_p), and left out.
    """
    a = np.arange(group.order)
    by_distance = correct[a[None, :], group.table[group.inverse[:, None], a[None, :]]]  # b = d^-1 a
    whole = np.nanstd(correct)
    if whole <= 1e-6 * np.nanmax(np.abs(correct)):
        return None
    return float(np.nanstd(by_distance, axis=1).mean() / whole)


def circularity(table: Float[np.ndarray, "element d_model"], group: FiniteGroup) -> float | None:
    """Mean over the first principal components of a table of the largest power of one irrep; None if constant."""
    centred = table - table.mean(0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    rank = int((singular > 1e-9 * np.abs(table).max(initial=0.0) * len(table)).sum())
    if rank == 0:
        return None
    return float(group.power(left[:, : min(COMPONENTS, rank)]).max(axis=0).mean())


def _correct_logits(checkpoint: Checkpoint, frame: Frame) -> Float[np.ndarray, "left right"]:
    """Of the task's answer, at the pairs of the frame's elements; NaN where the task has none."""
    basis = checkpoint.context.bases[frame]
    logits = checkpoint.activations(frame.operation, "logits")
    answers = checkpoint.context.grids[frame.operation].labels
    correct = logits.gather(-1, answers.clamp(min=0)[..., None])[..., 0].double()
    return basis.on_grid(correct.where(answers >= 0, torch.nan)).numpy()


def _gradient_symmetricity(checkpoint: Checkpoint, frame: Frame) -> float | None:
    """Every triple gets tokens of its own for its two operands, so that one backward pass gives every gradient."""
    context, task = checkpoint.context, checkpoint.context.task
    rng = np.random.default_rng(0)
    a, b, c = rng.integers(frame.group.order, size=(3, TRIPLES))
    operation = next(op for op in task.operations if op.name == frame.operation)
    tokens = task.tokens[int(operation.examples[0])].repeat(TRIPLES, 1)
    own = torch.arange(TRIPLES)
    x, y = task.operand_positions
    tokens[:, x], tokens[:, y] = task.d_vocab + own, task.d_vocab + TRIPLES + own
    W_E = checkpoint.weights["embed.W_E"]
    operands = W_E[torch.from_numpy(np.concatenate([frame.left[a], frame.right[b]]))].clone().requires_grad_()
    weights = {**checkpoint.weights, "embed.W_E": torch.cat([W_E, operands])}
    engine = Engine(context.config, replace(task, tokens=tokens, labels=torch.zeros_like(own)))
    logits = engine.answer_logits(weights, own)
    (gradient,) = torch.autograd.grad(logits[own, torch.from_numpy(frame.answer[c])].sum(), operands)
    by_a, by_b = gradient.double().split(TRIPLES)
    norms = by_a.norm(dim=1) * by_b.norm(dim=1)
    moved = norms > 0
    if not bool(moved.any()):
        return None
    return float(((by_a * by_b).sum(1)[moved] / norms[moved]).mean())
