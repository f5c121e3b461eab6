"""Causal ablation of cosets: what the network loses without the neurons that a class of subgroups explains.

The neurons of the last MLP that a class explains, in either operand (`cosets`), are held at their means over all
pairs of the group, and the rest of the network is run again:

    r[a, b] - (X[a, b, S] - mean X[., ., S]) W_out[S]          r the residual stream after that MLP, S the set

The control does the same to random neurons outside S, of equal power: in a random order, every one with which their
summed variance over pairs stays within that of S, and one more where that comes nearer. There are several such draws,
in the same random orders at every checkpoint. Equal power is that of activations; what neurons write is that times
their rows of W_out.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.frames import Frame
from grokscope.analysis.checkpoint.marginals import marginals
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints, spread_steps
from grokscope.analysis.circuit.ablation import DRAWS, QUANTITIES, Sample, over_draws
from grokscope.analysis.cosets.cosets import coset_table
from grokscope.analysis.cosets.partitions import coset_frames, coset_partitions, has_cosets, prepare_cosets
from grokscope.engine import unembedded

CHECKPOINTS = 11
NEAR = 0.1
"""A draw whose summed variance is off by more than this share of the set's is no control."""


@over_checkpoints(
    family="subgroups",
    version=1,
    applies_to=has_cosets,
    steps=spread_steps(CHECKPOINTS),
    prepare=prepare_cosets,
)
def coset_ablation(checkpoint: Checkpoint) -> pd.DataFrame:
    """Loss and accuracy without the neurons of each class of subgroups, at up to 11 checkpoints of a run.

    For the tasks that `cosets` is for. Losses are means over up to 1,024 examples of each split (see `ablation`).

    Returns:
        run, task, arm, seed, step, operation, basis, group, layer (the last), split, set (`one` class, or `any`: all
        neurons that any class explains), subgroup, order, index (of set `one`), n_neurons, share_of_variance (of the
        layer's, over pairs), full_loss, full_accuracy, loss, accuracy (without the set), control_neurons and
        control_share_of_variance (means over 5 draws), control_loss, control_accuracy (likewise), control_loss_sd,
        control_accuracy_sd (over the draws), note (why the control is missing, or that no neuron is explained; else
        empty).
    """
    return pd.concat([_table(checkpoint, frame) for frame in coset_frames(checkpoint.context)], ignore_index=True)


def explained_neurons(checkpoint: Checkpoint, frame: Frame, layer: int) -> dict[str, Bool[np.ndarray, " neuron"]]:
    """Which neurons each class of subgroups explains in either operand; only classes that explain any."""
    partitions = coset_partitions(frame.group)
    tables = [coset_table(partitions, marginal) for marginal in marginals(checkpoint, frame, layer).values()]
    explained = {}
    for one in partitions.classes:
        of_class = [(t["explains"] & (t["subgroup"] == one.name).fillna(False)).to_numpy(dtype=bool) for t in tables]
        if np.any(of_class):
            explained[one.name] = np.logical_or(*of_class)
    return explained


def equal_power(
    variance: Float[np.ndarray, " neuron"], chosen: Bool[np.ndarray, " neuron"], seed: int
) -> Int[np.ndarray, " drawn"] | None:
    """Random neurons outside a set, with its summed variance; None where that cannot be had to within a tenth."""
    target = variance[chosen].sum()
    others = np.random.default_rng(seed).permutation(len(variance))
    others = others[~chosen[others]]
    drawn = np.zeros(len(others), dtype=bool)
    missing = target
    for i, power in enumerate(variance[others]):
        if 0 < power <= missing:
            drawn[i], missing = True, missing - power
    over = np.where(drawn, np.inf, np.abs(variance[others] - missing))
    if len(others) and over.min() < missing:
        drawn[over.argmin()], missing = True, over.min()
    return others[drawn] if missing <= NEAR * target else None


def _table(checkpoint: Checkpoint, frame: Frame) -> pd.DataFrame:
    layer = checkpoint.context.neuron_layers[-1]
    explained = explained_neurons(checkpoint, frame, layer)
    variance = next(iter(marginals(checkpoint, frame, layer).values())).neuron_variance.numpy()
    ablate = _Ablation(checkpoint, frame, layer)
    classes = {one.name: one for one in coset_partitions(frame.group).classes}
    any_class = np.logical_or.reduce([np.zeros(len(variance), dtype=bool), *explained.values()])
    rows = []
    for name, chosen in [*explained.items(), (None, any_class)]:
        after = ablate(np.flatnonzero(chosen))
        drawn = [neurons for seed in range(DRAWS) if (neurons := equal_power(variance, chosen, seed)) is not None]
        controls = [ablate(neurons) for neurons in drawn] if len(drawn) == DRAWS else []
        whole = max(variance.sum(), np.finfo(float).tiny)
        for split, full in ablate.full.items():
            row: dict[str, object] = {
                "split": split,
                "set": "any" if name is None else "one",
                "subgroup": name,
                "order": None if name is None else classes[name].order,
                "index": None if name is None else classes[name].index,
                "n_neurons": int(chosen.sum()),
                "share_of_variance": variance[chosen].sum() / whole,
            }
            row |= {f"full_{quantity}": value for quantity, value in zip(QUANTITIES, full, strict=True)}
            row |= dict(zip(QUANTITIES, after[split], strict=True))
            if controls:
                row["control_neurons"] = float(np.mean([len(neurons) for neurons in drawn]))
                row["control_share_of_variance"] = float(np.mean([variance[x].sum() for x in drawn])) / whole
                row |= over_draws(controls, split)
            row["note"] = _note(chosen, bool(controls))
            rows.append(row)
    return _typed(pd.DataFrame(rows), {**frame.keys, "layer": layer})


def _note(chosen: Bool[np.ndarray, " neuron"], controlled: bool) -> str:
    if not chosen.any():
        return "no neuron is explained"
    return "" if controlled else "other neurons have no such variance together"


class _Ablation:
    """The network's outcomes with neurons held at their means: call with their numbers."""

    def __init__(self, checkpoint: Checkpoint, frame: Frame, layer: int) -> None:
        block = f"blocks.{layer}"
        self.checkpoint, self.sample = checkpoint, Sample.of(checkpoint, frame)
        x = checkpoint.activations(frame.operation, f"{block}.mlp.hook_post")
        mean = rearrange(checkpoint.context.bases[frame].on_grid(x), "a b neuron -> (a b) neuron").mean(0)
        self.deviations: Float[Tensor, "example neuron"] = self.sample.at_pairs(x).double() - mean.double()
        self.W_out = checkpoint.weights[f"{block}.mlp.W_out"].double()
        resid = checkpoint.activations(frame.operation, f"{block}.hook_resid_post")
        self.resid = self.sample.at_pairs(resid).double()
        self.full = self.sample.outcomes(self._logits(self.resid))

    def __call__(self, neurons: Int[np.ndarray, " chosen"]) -> dict[str, tuple[float, float]]:
        chosen = torch.from_numpy(neurons)
        return self.sample.outcomes(self._logits(self.resid - self.deviations[:, chosen] @ self.W_out[chosen]))

    def _logits(self, resid: Float[Tensor, "example d_model"]) -> Float[Tensor, "example d_vocab_out"]:
        return unembedded(self.checkpoint.context.config, self.checkpoint.weights, resid)


def _typed(table: pd.DataFrame, keys: dict[str, object]) -> pd.DataFrame:
    """With the columns that every table has, also where there is no control or no class."""
    control = ["control_neurons", "control_share_of_variance"]
    control += [f"control_{quantity}{end}" for quantity in QUANTITIES for end in ("", "_sd")]
    columns = [*(c for c in table.columns if c not in (*control, "note")), *control, "note"]
    table = table.assign(**keys)
    types = {"subgroup": "string", "note": "string", "order": "Int64", "index": "Int64"}
    return table.reindex(columns=[*keys, *columns]).astype({**dict.fromkeys(control, float), **types})
