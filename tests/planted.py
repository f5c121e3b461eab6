"""Networks whose weights are written by hand, so that every analysis of them has a known answer.

A planted network answers a * b in a finite group through chosen irreps and through nothing else. One layer, no
LayerNorm, ReLU:

    embedding   number a -> (phi(a), 0),  phi the matrix entries of the chosen irreps, scaled so that
                phi(a) . phi(a') = sum_rho w_rho^2 d_rho chi_rho(a a'^-1), largest at a = a'
    attention   two heads; head i looks at operand i alone (a position feature with a large score) and copies phi
    neurons     one for each pair (a', b'), relu(1 + (phi(a) . phi(a') + phi(b) . phi(b') - most) / margin): exactly
                1 at the pair and 0 elsewhere, a look-up table; and, writing nothing, linear ones, 10 + an entry of
                rho(a), or rho(b), or both, which ReLU lets pass
    unembedding L[a, b, c] = gain * sum_rho w_rho^2 d_rho chi_rho(a b c^-1); 0 for tokens that are no group element

So the embedding's power is in proportion to (w_rho d_rho)^2 and 0 for other irreps, restricted loss is full loss, and
excluded loss that of the uniform distribution over the model's outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from grokscope.analysis.checkpoint.frames import tokens_of
from grokscope.config import ModelConfig, RunConfig, TaskConfig
from grokscope.groups import FiniteGroup
from grokscope.model import Weights, dtype_of, parameter_shapes
from grokscope.runs import Run, create_run, open_run
from grokscope.tasks import build_task

SCORE = 200.0
"""Attention score of the position that a head looks at: exp(-200) is nothing."""
OFFSET = 10.0
"""What lifts a linear neuron above the kink of its ReLU."""
Amplitudes = Mapping[str, float]
"""Irreps by name, and how strongly each is planted."""
LINEAR = 3
"""Linear neurons for each irrep: its first entry at a, at b, and the sum of both."""


def planted_config(irreps: Amplitudes, task: TaskConfig, train_fraction: float = 0.5, **model: object) -> RunConfig:
    """The config of a run that holds a planted network."""
    group = build_task(task).operations[0].group
    width = sum(group.irrep(name).dim ** 2 for name in irreps)
    settings: dict[str, object] = {
        "n_layers": 1,
        "d_model": 2 * (2 * width + 1),
        "n_heads": 2,
        "d_mlp": group.order**2 + LINEAR * len(irreps),
        "activation": "relu",
        "normalization": "none",
        "biases": True,
        "residual": "pre_ln",
        "dtype": "float64",
        **model,
    }
    task = replace(task, train_fraction=train_fraction)
    return RunConfig(arm="planted", task=task, model=ModelConfig(**settings))  # type: ignore[arg-type]


def features(group: FiniteGroup, irreps: Amplitudes) -> np.ndarray:
    """phi `[element, width]`: w sqrt(d) times the matrix entries of the chosen irreps, side by side."""
    chosen = [(group.irrep(name), w) for name, w in irreps.items()]
    return np.concatenate([w * np.sqrt(rho.dim) * rho.matrices.reshape(group.order, -1) for rho, w in chosen], 1)


def planted_weights(config: RunConfig, irreps: Amplitudes, gain: float = 1.0) -> Weights:
    """Weights that answer by the chosen irreps alone, which must tell all elements apart."""
    task = build_task(config.task)
    operation = task.operations[0]
    group, n = operation.group, operation.group.order
    phi = features(group, irreps)
    width = phi.shape[1]
    similarity = phi @ phi.T
    whole = similarity[0, 0]
    margin = whole - (similarity - 1e9 * np.eye(n)).max()
    assert 0 < margin <= whole, f"{', '.join(irreps)} do not tell the elements of {group.name} apart (margin {margin})"

    weights = {name: np.zeros(shape) for name, shape in parameter_shapes(config.model, task).items()}
    position = slice(0, 2)  # which operand a position holds
    own, left, right, out = (slice(2 + i * width, 2 + (i + 1) * width) for i in range(4))
    inside = operation.left >= 0
    weights["embed.W_E"][inside, own] = phi[operation.left[inside]]
    block = "blocks.0."
    for head, (where, to) in enumerate(zip(task.operand_positions, (left, right), strict=True)):
        weights["pos_embed.W_pos"][where, position.start + head] = 1.0
        weights[block + "attn.W_K"][head, position.start + head, 0] = 1.0
        weights[block + "attn.b_Q"][head, 0] = SCORE * np.sqrt(config.model.head_width)
        weights[block + "attn.W_V"][head, own, :width] = np.eye(width)
        weights[block + "attn.W_O"][head, :width, to] = np.eye(width)
    # What the token of each right-hand element is embedded as (under sub and div, its inverse).
    right_token = tokens_of(operation.right, n)
    phi_right = phi[operation.left[right_token]]
    a, b = np.divmod(np.arange(n * n), n)
    W_in, b_in, W_out = (weights[block + f"mlp.{name}"] for name in ("W_in", "b_in", "W_out"))
    W_in[left, : n * n], W_in[right, : n * n] = phi[a].T / margin, phi_right[b].T / margin
    b_in[: n * n] = 1 - 2 * whole / margin
    W_out[: n * n, out] = gain * phi[group.table[a, b]]
    b_in[n * n :] = OFFSET
    start = 0
    for i, name in enumerate(irreps):
        neuron = n * n + LINEAR * i
        W_in[left.start + start, [neuron, neuron + 2]] = 1.0
        W_in[right.start + start, [neuron + 1, neuron + 2]] = 1.0
        start += group.irrep(name).dim ** 2
    answers = tokens_of(operation.answer, n)
    weights["unembed.W_U"][out, answers] = phi.T
    state = {name: torch.from_numpy(value).to(dtype_of(config.model)) for name, value in weights.items()}
    state[block + "attn.mask"] = torch.empty((0, 0), dtype=torch.bool)
    state[block + "attn.IGNORE"] = torch.tensor(-torch.inf)
    return state


def write_run(
    path: Path,
    config: RunConfig,
    checkpoints: Mapping[int, Weights],
    evaluations: Sequence[Mapping[str, float]] = (),
) -> Run:
    """A finished run that holds the given weights."""
    with create_run(path, config) as writer:
        for step, weights in checkpoints.items():
            writer.checkpoint(step, weights)
        for row in evaluations:
            writer.log(row)
        writer.finish("finished")
    return open_run(path)
