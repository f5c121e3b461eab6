"""What each neuron computes: its activation over all pairs (a, b), in the basis of the group.

With X^ the transform of a neuron's activation over G x G (see `basis`), its variance splits into

    left[rho]     sum_i X^[i, 0]^2,   i in rho             functions of a through rho       (Z_n: 2 terms)
    right[rho]    sum_j X^[0, j]^2,   j in rho             functions of b through rho       (2 terms)
    block[rho]    sum_ij X^[i, j]^2,  i and j in rho       of both, through rho             (4 products)
    mixed         what is left                             through different irreps of a and b

and the share that rho explains is left + right + block (8 terms for a frequency of Z_n, 3 for its sign). Within a
block, `product` is the part that is a function of a * b, the family (k, k), and `quotient` that of a * b^-1, the
family (k, -k): together they are all of the block of a frequency; for a one-dimensional irrep they are the same,
and for irreps of higher dimension there is more in the block than the two.
Source: Nanda et al. 2023, section 4.3 (clusters of neurons, 85% of variance); Chughtai et al. 2023.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.columns import irrep_columns
from grokscope.analysis.checkpoint.frames import has_neurons_in_basis
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints
from grokscope.analysis.checkpoint.transform import Transform

CLUSTER_SHARE = 0.85
FAMILIES = ("left", "right", "product", "quotient", "block")


@over_checkpoints(family="fourier", version=1, applies_to=has_neurons_in_basis)
def neurons(checkpoint: Checkpoint) -> pd.DataFrame:
    """Each neuron's irrep (frequency), how much of its variance that explains, and in which form.

    Returns:
        run, task, arm, seed, step, operation, basis, group, layer, neuron, variance (over pairs), irrep and
        frequency (the one that explains most), cluster (its name; `other` where it explains less than 0.85;
        `constant` for a neuron that does not vary, whose irrep is <NA> and shares are 0), share (left + right +
        block of that irrep), left, right, product, quotient, block (of that irrep), mixed (of all pairs of
        different irreps).
    """
    tables = []
    for frame in checkpoint.context.frames:
        for layer in checkpoint.context.neuron_layers:
            table = neuron_table(checkpoint.transform(frame, f"blocks.{layer}.mlp.hook_post"))
            tables.append(table.assign(**frame.keys, layer=layer)[[*frame.keys, "layer", *table.columns]])
    return pd.concat(tables, ignore_index=True)


def neuron_table(transform: Transform) -> pd.DataFrame:
    """One row per neuron, from the transform of activations over the pairs of a group; columns as `neurons`."""
    basis, variance, energy = transform.basis, transform.variance, family_energies(transform)
    constant = (variance == 0).numpy()
    scale = torch.where(torch.from_numpy(constant), torch.inf, variance)
    shares = {family: (value / scale).numpy() for family, value in energy.items()}
    share = shares["left"] + shares["right"] + shares["block"]
    best = share.argmax(0)
    chosen = (best, np.arange(share.shape[1]))
    columns = irrep_columns(basis.group, [None if c else int(b) for b, c in zip(best, constant, strict=True)])
    cluster = columns["irrep"].fillna("constant").to_numpy(dtype=object)
    cluster[~constant & (share[chosen] < CLUSTER_SHARE)] = "other"
    operand_sums = (shares["left"] + shares["right"]).sum(0)
    mixed = np.where(constant, 0.0, np.clip(1 - operand_sums - shares["block"].sum(0), 0.0, 1.0))
    return pd.DataFrame(
        {
            "neuron": np.arange(share.shape[1]),
            "variance": variance.numpy() / basis.n**2,
            **columns,
            "cluster": pd.array(cluster, dtype="string"),
            "share": share[chosen],
            **{family: shares[family][chosen] for family in FAMILIES},
            "mixed": mixed,
        }
    )


def family_energies(transform: Transform) -> dict[str, Float[Tensor, "irrep neuron"]]:
    """Energy of every family of terms (`FAMILIES`) by irrep; 0 for the trivial one."""
    basis = transform.basis
    energies = {
        "left": basis.by_irrep(transform.left),
        "right": basis.by_irrep(transform.right),
        # The function h(a * b) has the energy n sum_g h(g)^2 over all pairs.
        "product": basis.by_irrep(transform.product) * basis.n,
        "quotient": basis.by_irrep(transform.quotient) * basis.n,
        "block": transform.diagonal_energy.clone(),
    }
    energies = {family: value.double() for family, value in energies.items()}
    for value in energies.values():
        value[0] = 0.0
    return energies
