"""Restricted and excluded loss: does the network answer by its key irreps, and can it answer without them?

Both at two levels, with everything projected over *all* pairs (a, b) of the group's grid and the loss taken on the
pairs of a split.

Level `logits`, with w_rho the coefficient of chi_rho(a * b * c^-1) in the logits (`logit_characters`):

    restricted  L[a, b, c] = mean_ab L[., ., c] + sum_{rho in set} w_rho chi_rho(a * b * c^-1)
    excluded    L[a, b, c] =        L[a, b, c]  - sum_{rho in set} w_rho chi_rho(a * b * c^-1)

Level `neurons`, with P the projection of the last MLP's activations X on functions of a * b through the irreps of
the set, r the residual stream after that MLP and `head` the final norm and the unembedding:

    restricted  head(mean_ab r + P(X) W_out)        all else at its mean
    excluded    head(r[a, b]   - P(X) W_out)        all else as it is

so a network that computes the answer before its last MLP can keep it, in the excluded loss, in the residual stream.

Two more sets ask for less than the key irreps (see `restricted_to_answer`): `characters`, those of all irreps, with one
coefficient for each, and `answer`, every function of a * b. Where the loss restricted to `key` is far above the full
loss they say whether the network computes with other irreps, or answers by more than one coefficient for each (as
networks under a norm clip do, whose answers have heights of their own), or not by the answer at all:
`reading_that_holds`.

Source: Nanda et al. 2023, "Progress measures for grokking via mechanistic interpretability", sections 5.1 and 5.2.
The paper defines both at the logits, restricted over all the data and excluded on the training data; it projects
each logit on cos(w(a + b)) and sin(w(a + b)) (2 terms per frequency and answer; level `logits` here keeps only the one
character of a + b - c). Its demo (the TransformerLens notebook) takes restricted loss from the *neurons*, projected
on cos and sin of w(a + b) and mapped on linearly with the mean logits restored, on the test data. Here level and
split are columns. Behind a linear head, level `neurons` is the paper's projection of each logit; level `logits` asks
for more, one coefficient per irrep for all answers, and can stay high in a network whose answers differ in scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.columns import irrep_columns
from grokscope.analysis.checkpoint.frames import Frame, has_group
from grokscope.analysis.checkpoint.over_checkpoints import over_checkpoints
from grokscope.analysis.circuit.logit_characters import character_products
from grokscope.analysis.circuit.restricted_to_answer import restricted_to_answer
from grokscope.analysis.circuit.split_pairs import Pairs
from grokscope.analysis.tables.identity import IDENTITY
from grokscope.engine import EPS, cross_entropies, unembedded
from grokscope.model import Weights

READINGS = ("key", "characters", "answer")
"""Sets of the own basis, from the one that asks for most."""
FAR = 0.1
"""nats: a restricted loss that exceeds the full loss by more is far above it."""


@over_checkpoints(family="fourier", version=2, applies_to=has_group)
def restricted_loss(checkpoint: Checkpoint) -> pd.DataFrame:
    """Loss of the network restricted to irreps, and with them excluded, beside its full loss.

    Sets of irreps: `one` (each on its own; in the own basis), `key` (the embedding's at this checkpoint), `hindsight`
    (at the final one), and in the wrong basis `matched`, the control: as many irreps of the wrong group as the own
    one has in hindsight, those of largest power in the final embedding. In the own basis there are also `characters`
    and `answer`, which are estimated from the pairs that were not trained on (see `restricted_to_answer`).

    Returns:
        run, task, arm, seed, step, operation, basis, group, level (`logits`; `neurons`, if there are any), split
        (`train`, `val`, `all`: those of the split's pairs that are pairs of group elements), set, irrep and frequency
        (of set `one`), n_irreps, full_loss, restricted_loss, excluded_loss (mean cross-entropy in nats over all the
        model's outputs), full_accuracy, restricted_accuracy. A split without such pairs has no rows. The losses
        restricted to `characters` and `answer` are NaN where there are no unseen pairs to estimate them from.
    """
    # A frame at a time, so that the logits of one are let go of before those of the next are made.
    return pd.concat([_of_frame(checkpoint, frame) for frame in checkpoint.context.frames], ignore_index=True)


def _of_frame(checkpoint: Checkpoint, frame: Frame) -> pd.DataFrame:
    """The rows of a frame."""
    sets, pairs, tables = irrep_sets(checkpoint, frame), Pairs.of(checkpoint, frame), []
    levels = {"logits": logits_level} | ({"neurons": neurons_level} if checkpoint.context.mlp_layers else {})
    for level, compute in levels.items():
        restricted, excluded = compute(checkpoint, frame, pairs, sets.members.double())
        # Restricted logits depend on a * b alone.
        log_probabilities, guesses = restricted.log_softmax(-1), restricted.argmax(-1)
        for split, weight in pairs.label_weights.items():
            tables.append(
                pd.DataFrame(
                    {
                        **frame.keys,
                        "level": level,
                        "split": split,
                        "set": pd.array(sets.names, dtype="string"),
                        **irrep_columns(frame.group, sets.single),
                        "n_irreps": sets.members.sum(1).numpy(),
                        "full_loss": pairs.mean(pairs.full, split).item(),
                        "restricted_loss": -(log_probabilities * weight).sum((1, 2)).numpy(),
                        "excluded_loss": pairs.mean(excluded, split).numpy(),
                        "full_accuracy": pairs.mean(pairs.right, split).item(),
                        "restricted_accuracy": weight.gather(1, guesses.T).sum(0).numpy(),
                    }
                )
            )
        if frame.basis == "own":
            tables.append(_of_answer(checkpoint, frame, pairs, level)[list(tables[-1])])
    return pd.concat(tables, ignore_index=True)


def _of_answer(checkpoint: Checkpoint, frame: Frame, pairs: Pairs, level: str) -> pd.DataFrame:
    """The rows of `characters` and `answer`."""
    rows = [
        {
            **frame.keys,
            "level": level,
            "split": split,
            "set": restricted.name,
            "n_irreps": len(frame.group.irreps) - 1,
            "full_loss": pairs.mean(pairs.full, split).item(),
            "restricted_loss": pairs.mean(restricted.loss, split).item(),
            "excluded_loss": pairs.mean(restricted.excluded, split).item(),
            "full_accuracy": pairs.mean(pairs.right, split).item(),
            "restricted_accuracy": pairs.mean(restricted.right, split).item(),
        }
        for restricted in restricted_to_answer(checkpoint, frame, pairs, level)
        for split in pairs.splits
    ]
    table = pd.DataFrame(rows).assign(**irrep_columns(frame.group, [None] * len(rows)))
    return table.astype({"set": "string"})


def reading_that_holds(table: pd.DataFrame) -> pd.DataFrame:
    """Which reading accounts for a network: the one that asks for most of those whose restricted loss is near the full.

    Arguments:
        table: of `restricted_loss`.

    A reading holds where its restricted loss is at most 0.1 nats above the full loss.

    Returns, of the own basis:
        run, task, arm, seed, step, operation, group, level, split, full_loss, key, characters, answer (restricted
        losses, nats), reading (`key`, `characters`, `answer`, or `none`).
    """
    keys = [*IDENTITY, "step", "operation", "group", "level", "split"]
    own = table.loc[(table["basis"] == "own") & table["set"].isin(READINGS)]
    wide = own.pivot(index=keys, columns="set", values="restricted_loss")[list(READINGS)]
    full = own.drop_duplicates(keys).set_index(keys)["full_loss"]
    losses = wide.loc[full.index]
    holds = losses.le(full + FAR, axis=0).to_numpy()
    reading = np.where(holds.any(1), np.array(READINGS, dtype=object)[holds.argmax(1)], "none")
    found = losses.rename_axis(columns=None).reset_index()
    found.insert(len(keys), "full_loss", full.to_numpy())
    return found.assign(reading=pd.array(reading, dtype="string"))


@dataclass(frozen=True, eq=False)
class IrrepSets:
    """Sets of irreps to restrict to and to exclude."""

    names: list[str]
    single: list[int | None]
    """The irrep of a set of kind `one`."""
    members: Bool[Tensor, "set irrep"]


def irrep_sets(checkpoint: Checkpoint, frame: Frame) -> IrrepSets:
    """The sets that a frame's losses are computed for (see `restricted_loss`)."""
    count = len(frame.group.irreps)
    hindsight = checkpoint.context.hindsight
    chosen: list[tuple[str, np.ndarray]] = []
    if frame.basis == "own":
        chosen += [("one", np.array([i])) for i in range(1, count)]
    chosen += [("key", checkpoint.embedding_test(frame).keys), ("hindsight", hindsight[frame])]
    if frame.basis == "wrong":
        chosen.append(("matched", checkpoint.context.matched[frame]))
    members = torch.zeros((len(chosen), count), dtype=torch.bool)
    for row, (_, irreps) in enumerate(chosen):
        members[row, torch.from_numpy(irreps)] = True
    single = [int(irreps[0]) if name == "one" else None for name, irreps in chosen]
    return IrrepSets([name for name, _ in chosen], single, members)


def logits_level(
    checkpoint: Checkpoint, frame: Frame, pairs: Pairs, members: Float[Tensor, "set irrep"]
) -> tuple[Float[Tensor, "set product d_vocab_out"], Float[Tensor, "set product left"]]:
    """Restricted logits, and excluded loss, by the characters of a * b * c^-1 in the logits."""
    basis, group = checkpoint.context.bases[frame], frame.group
    answer = torch.from_numpy(frame.answer)
    means = pairs.mean_logits
    centred = means[:, answer] - means[:, answer].mean(1, keepdim=True)
    inner, square = character_products(basis, basis.F.T @ centred)
    characters = torch.from_numpy(np.stack([irrep.character for irrep in group.irreps]))
    at_answers = characters[:, torch.tensor(group.table[:, group.inverse])]  # [irrep, g, c]
    kept = means.new_zeros((len(members), *means.shape))
    kept[..., answer] = torch.einsum("si,igc->sgc", members * torch.from_numpy(inner / square), at_answers)
    return means.mean(0) + kept, _excluded(pairs, kept)


def neurons_level(
    checkpoint: Checkpoint, frame: Frame, pairs: Pairs, members: Float[Tensor, "set irrep"]
) -> tuple[Float[Tensor, "set product d_vocab_out"], Float[Tensor, "set product left"]]:
    """Restricted logits, and excluded loss, by functions of a * b in the last MLP's activations."""
    context, basis = checkpoint.context, checkpoint.context.bases[frame]
    block = f"blocks.{context.last}"
    weights = checkpoint.weights
    neurons = checkpoint.transform(frame, f"{block}.mlp.hook_post")
    written = neurons.product.double() @ weights[f"{block}.mlp.W_out"].double()
    of_column = members[:, torch.from_numpy(frame.group.fourier_irreps())]  # [set, column]
    kept = (basis.F * of_column[:, None]) @ written  # [set, product, d_model]
    resid = checkpoint.activations(frame.operation, f"{block}.hook_resid_post")
    resid = rearrange(resid, "row col d_model -> (row col) d_model")
    mean = sum(resid[pairs.order[some]].double().sum((0, 1)) for some in pairs.blocks) / pairs.order.numel()
    restricted = unembedded(context.config, weights, mean + kept)
    if context.config.normalization == "none":
        return restricted, _excluded(pairs, kept @ weights["unembed.W_U"].double())
    taken = kept.to(resid.dtype)
    excluded = torch.empty((len(taken), *pairs.labels.shape), dtype=torch.float64)
    for some in pairs.blocks:
        excluded[:, some] = _losses_behind_norm(weights, resid[pairs.order[some]], taken[:, some], pairs.labels[some])
    return restricted, excluded


def _excluded(pairs: Pairs, taken: Float[Tensor, "set product d_vocab_out"]) -> Float[Tensor, "set product left"]:
    """Losses without logits that depend on the product alone, for every set."""
    losses = taken.new_empty((len(taken), *pairs.labels.shape))
    with pairs.holding_logits():
        for some in pairs.blocks:
            losses[:, some] = losses_after_shift(pairs.logits(some), taken[:, some], pairs.labels[some])
    return losses


def losses_after_shift(
    logits: Float[Tensor, "product left d_vocab_out"],
    taken: Float[Tensor, "set product d_vocab_out"],
    labels: Int[Tensor, "product left"],
) -> Float[Tensor, "set product left"]:
    """Cross-entropy of the logits less `taken`, for every set, where that depends on the pair's product alone.

    exp(L - t) = exp(L) exp(-t), so the sums over outputs of all sets are one matrix product for each a * b.
    """
    logits = logits.double()
    top, least = logits.amax(-1), taken.amin(-1)
    terms = (logits - top[..., None]).exp()  # [g, a, c], at most 1
    factors = (least[..., None] - taken).exp()  # [set, g, c], at most 1
    sums = torch.bmm(terms, factors.permute(1, 2, 0)).permute(2, 0, 1)  # [set, g, a]
    log_sums = sums.log() + top - least[..., None]
    # Where the one factor is largest the other may be too small to see: those few again, one by one.
    faint = (sums < 1e-200).nonzero()
    if len(faint):
        s, g, a = faint.unbind(1)
        log_sums[s, g, a] = (logits[g, a] - taken[s, g]).logsumexp(-1)
    at_label = logits.gather(-1, labels[..., None])[..., 0] - taken.gather(-1, labels.expand(len(taken), -1, -1))
    return log_sums - at_label


def _losses_behind_norm(
    weights: Weights,
    resid: Float[Tensor, "product left d_model"],
    taken: Float[Tensor, "set product d_model"],
    labels: Int[Tensor, "product left"],
) -> Float[Tensor, "set product left"]:
    """Cross-entropy of head(resid - taken) for every set, with LayerNorm in the head.

    LayerNorm is linear but for its scale, so the numerators are differences of two products that are made once,
    and var(r - t) = var r - 2 cov(r, t) + var t.
    """
    gain, bias = weights["ln_final.w"].to(resid.dtype), weights["ln_final.b"].to(resid.dtype)
    W_U, b_U = weights["unembed.W_U"].to(resid.dtype), weights["unembed.b_U"].to(resid.dtype)
    r, t = resid - resid.mean(-1, keepdim=True), taken - taken.mean(-1, keepdim=True)
    d_model, read = r.shape[-1], gain[:, None] * W_U
    of_resid, of_taken, constant = r @ read, t @ read, bias @ W_U + b_U
    variance = r.square().sum(-1) - 2 * torch.einsum("gad,sgd->sga", r, t) + t.square().sum(-1)[..., None]
    scale = (variance.clamp(min=0) / d_model + EPS).rsqrt()
    of_pairs = torch.empty(scale.shape, dtype=torch.float64)
    for s in range(len(taken)):
        logits = (of_resid - of_taken[s][:, None]).mul_(scale[s][..., None]).add_(constant)
        of_pairs[s] = cross_entropies(logits, labels)
    return of_pairs
