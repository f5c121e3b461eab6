"""Key irreps (key frequencies): those that carry more power than any would if labels meant nothing.

Two key sets, and every table says which it means:

    key         online: of this checkpoint, by what is in this checkpoint
    hindsight   the key set of the run's final checkpoint, for looking back

The embedding's is the network's key set, which restricted loss and ablations use; `Checkpoint.embedding_test` says why.
It holds the irreps that exceed the relabelling null of the whole embedding, and weak ones that exceed the null of what
is left without those, hold a hundredth of the variance beyond noise, and are used (`checkpoint.step_down`, `removal`).
The other sites have their own, by the first round of the same test on the tables for which relabelling leaves an
untrained network as it was: `unembed`, and what each MLP's neurons make of one operand alone (means over the other,
both operands side by side). Attention and logits are sums of these and of a * b, and are left to `spectra`.

A key is in the embedding. Whether the network uses it is another question, which `key_use` answers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch

from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.columns import irrep_columns
from grokscope.analysis.checkpoint.frames import Frame, has_basis
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints
from grokscope.analysis.checkpoint.step_down import StepDown, step_down


@over_checkpoints(family="fourier", version=2, applies_to=has_basis)
def keys(checkpoint: Checkpoint) -> pd.DataFrame:
    """Power of every irrep at the sites that have a null, and whether it exceeds it.

    A key's power exceeds the 99th percentile of the *largest* power of any irrep under 200 random relabellings of
    the group elements (largest for its size: `checkpoint.null`), so that a checkpoint whose labels mean
    nothing has any key at all with probability 0.01. In the embedding, the irreps that do are then taken out and the
    others tested again, round by round (`checkpoint.step_down`); those of later rounds are keys if their excess is at
    least 0.01 and the network loses more without them than without as much power of random functions. The basis
    `wrong` is the control: a network has no reason to have keys there.

    Returns:
        run, task, arm, seed, step, operation, basis, group, site (`embed`, `unembed`, `blocks.L.mlp.post`),
        irrep, frequency, power, threshold (that power must exceed, in the round that decided), p_value (family-wise,
        over all rounds), round (that found it; 0 where none did), excess (power beyond what noise has in as many
        dimensions), key (at this checkpoint), hindsight (in the embedding's key set at the final checkpoint).
    """
    tables = []
    for frame in checkpoint.context.frames:
        hindsight = checkpoint.context.hindsight[frame]
        for site, tested in _tests(checkpoint, frame):
            irreps = np.arange(1, len(tested.power))
            tables.append(
                pd.DataFrame(
                    {
                        **frame.keys,
                        "site": site,
                        **irrep_columns(frame.group, irreps),
                        "power": tested.power[1:],
                        "threshold": tested.threshold[1:],
                        "p_value": tested.p_value[1:],
                        "round": tested.round[1:],
                        "excess": tested.excess[1:],
                        "key": np.isin(irreps, tested.keys),
                        "hindsight": np.isin(irreps, hindsight),
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


def _tests(checkpoint: Checkpoint, frame: Frame) -> Iterator[tuple[str, StepDown]]:
    null, basis = checkpoint.context.nulls[frame], checkpoint.context.bases[frame]
    yield "embed", checkpoint.embedding_test(frame)
    unembed = checkpoint.weights["unembed.W_U"].double()[:, torch.from_numpy(frame.answer)]
    yield "unembed", step_down(null, (unembed - unembed.mean(1, keepdim=True)).T.numpy(), rounds=1)
    for layer in checkpoint.context.mlp_layers:
        neurons = checkpoint.transform(frame, f"blocks.{layer}.mlp.hook_post")
        of_operands = basis.F @ torch.cat([neurons.left, neurons.right], dim=1).double()
        yield f"blocks.{layer}.mlp.post", step_down(null, of_operands.numpy(), rounds=1)
