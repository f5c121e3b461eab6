"""Through which pair of irreps each layer's neurons depend on both operands: power by (rho, sigma).

With X^ the transform of a neuron's activation over G x G (see `basis`),

    power(rho, sigma) = sum of X^[i, j]^2 over i in rho, j in sigma, and all neurons / the neurons' variance

(trivial, rho) are functions of b alone and (rho, trivial) of a alone. A network that computes rho(a * b) from rho(a)
and rho(b) has its power in the diagonal blocks (rho, rho); what lies off the diagonal mixes different irreps.
Source: Chughtai et al. 2023, section 5; for Z_n these are the frequencies of Nanda et al. 2023, figure 4.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from grokscope.analysis.checkpoint.basis import unit_variances
from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.frames import has_neurons
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints, spread_steps

CHECKPOINTS = 11


@over_checkpoints(family="fourier", version=1, applies_to=has_neurons, steps=spread_steps(CHECKPOINTS))
def irrep_blocks(checkpoint: Checkpoint) -> pd.DataFrame:
    """Power of every pair of irreps in each layer's neurons, at up to 11 checkpoints of a run.

    Returns:
        run, task, arm, seed, step, operation, basis, group, layer, left (name of the irrep of a), right (of b), power.
        Powers of a layer sum to 1, and are all 0 where no neuron varies.
    """
    tables = []
    for frame in checkpoint.context.frames:
        basis = checkpoint.context.bases[frame]
        names = np.array([irrep.name for irrep in frame.group.irreps])
        left, right = (index.ravel() for index in np.indices((len(names), len(names))))
        for layer in checkpoint.context.neuron_layers:
            energy = torch.zeros((len(names), len(names)), dtype=torch.float64)
            for x_hat in checkpoint.coefficients(frame, f"blocks.{layer}.mlp.hook_post"):
                energy += basis.block_energy(x_hat).double()[:, :, unit_variances(x_hat) > 0].sum(2)
            energy[0, 0] = 0.0  # the mean is no variance
            whole = float(energy.sum())
            power = (energy / whole if whole > 0 else energy).numpy()
            keys = {**frame.keys, "layer": layer, "left": names[left], "right": names[right]}
            tables.append(pd.DataFrame({**keys, "power": power.ravel()}).iloc[1:])
    return pd.concat(tables, ignore_index=True)
