"""A network on S4 with neurons that are functions of cosets by construction.

The planted network of the standard irrep (`tests.planted`), whose embedding spans every function on the cosets of a
point stabiliser S3, and beside its neurons some that say, linearly, which coset an operand is in, and write at random.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from grokscope.analysis.cosets.partitions import CosetPartitions
from grokscope.config import RunConfig, TaskConfig
from grokscope.groups import SymmetricGroup
from grokscope.model import Weights
from grokscope.runs import Run
from tests.planted import LINEAR, features, planted_config, planted_weights, write_run

IRREPS = {"standard": 1.0}
GROUP = SymmetricGroup(4)
PARTITIONS = CosetPartitions(GROUP)
FIRST = GROUP.order**2 + LINEAR
"""The first of the neurons below."""
KINDS = ("left cosets of a", "right cosets of b", "one coset of a", "both operands", "generic in a")
EACH = 8
"""Neurons of each kind."""
SCALE = 2.0


def stabilisers(side: str) -> list[np.ndarray]:
    """The cosets of each S3, by element."""
    return [
        PARTITIONS.labels[i] for i, p in enumerate(PARTITIONS.partitions) if (p.subgroup.name, p.side) == ("S3", side)
    ]


def functions(rng: np.random.Generator, generic: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """The part of each neuron that depends on a, and the part that depends on b."""
    zero = np.zeros(GROUP.order)

    def on_cosets(side: str) -> np.ndarray:
        return rng.normal(size=4)[stabilisers(side)[rng.integers(4)]]

    entries = GROUP.irrep("standard").matrices.reshape(GROUP.order, -1)
    found = []
    for _ in range(EACH):
        found.append((on_cosets("left"), zero))
        found.append((zero, on_cosets("right")))
        found.append(((stabilisers("left")[rng.integers(4)] == rng.integers(4)).astype(float), zero))
        found.append((on_cosets("left"), on_cosets("left")))
        found.append((generic * entries @ rng.normal(size=9), zero))
    return [(a - a.mean(), b - b.mean()) for a, b in found]


def coset_config() -> RunConfig:
    return planted_config(IRREPS, TaskConfig(name="permutation", degree=4), d_mlp=FIRST + EACH * len(KINDS))


def coset_weights(config: RunConfig, generic: float = 1.0) -> Weights:
    """With the generic neurons scaled."""
    rng = np.random.default_rng(0)
    weights = planted_weights(config, IRREPS, gain=0.7)
    phi = features(GROUP, IRREPS)
    width = phi.shape[1]
    W_in, W_out = weights["blocks.0.mlp.W_in"], weights["blocks.0.mlp.W_out"]
    for neuron, parts in enumerate(functions(rng, generic), start=FIRST):
        for operand, values in enumerate(parts):
            start = 2 + (1 + operand) * width
            solved = np.linalg.lstsq(phi, SCALE * values, rcond=None)[0]
            assert np.allclose(phi @ solved, SCALE * values)
            W_in[start : start + width, neuron] = torch.from_numpy(solved)
        W_out[neuron, 2 + 3 * width : 2 + 4 * width] = torch.from_numpy(0.3 * rng.normal(size=width))
    return weights


def coset_run(path: Path, generic: float = 1.0) -> Run:
    config = coset_config()
    return write_run(path, config, {0: coset_weights(config, generic)})
