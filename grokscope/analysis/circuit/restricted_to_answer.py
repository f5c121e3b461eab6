"""The network restricted to what it makes of the answer, as it shows on pairs that it was not trained on.

    answer      every function of a * b
    characters  chi_rho(a * b * c^-1) of all irreps, with one coefficient for each

What is a function of the answer is estimated from the pairs that were *not trained on*: a look-up table of the trained
pairs raises the right answer at a share of all pairs, so the mean over all of them would answer every question, seen or
not. And it is never used on a pair that it was made of. Let S[g] be the mean over the unseen pairs with a * b = g, S'
the mean over those of them other than the pair (a, b) itself, and S0 the mean of S over g.

Level `logits`, where S is the mean of the logits L, and w_rho the coefficient of the character of rho in it:

    answer      restricted  S'
                excluded    L - (S' - S0)
    characters  restricted  S0 + sum_rho w_rho chi_rho(a * b * c^-1)
                excluded    L - sum_rho w_rho chi_rho(a * b * c^-1)

Level `neurons`, where S is the mean of what the last MLP's neurons write to the residual stream r:

    answer      restricted  head(mean_ab r + S' - S0)
                excluded    head(r - (S' - S0))

and `characters` is the same there, for at that level a set of irreps stands for all functions of a * b through them,
and these are all irreps. Pairs whose answer has no other unseen pair have no value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from grokscope.analysis.checkpoint.basis import GridBasis
from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.checkpoint.frames import Frame
from grokscope.analysis.circuit.logit_characters import character_products
from grokscope.analysis.circuit.split_pairs import Pairs
from grokscope.engine import cross_entropies, unembedded


@dataclass(frozen=True, eq=False)
class Restricted:
    """The network restricted to a set, at every pair; NaN where there is nothing to restrict it to."""

    name: str
    loss: Float[Tensor, "product left"]
    excluded: Float[Tensor, "product left"]
    """The loss without the set."""
    right: Float[Tensor, "product left"]
    """1 where the restricted network answers as the label says, else 0."""

    @staticmethod
    def of(
        name: str,
        pairs: Pairs,
        restricted: Float[Tensor, "product left d_vocab_out"],
        excluded: Float[Tensor, "product left d_vocab_out"],
    ) -> Restricted:
        """From the logits with nothing but the set, and without it."""
        known = ~restricted.isnan().any(-1)
        loss = cross_entropies(restricted, pairs.labels)
        right = torch.where(known, (restricted.argmax(-1) == pairs.labels).double(), torch.nan)
        return Restricted(name, loss, cross_entropies(excluded, pairs.labels), right)


def restricted_to_answer(checkpoint: Checkpoint, frame: Frame, pairs: Pairs, level: str) -> Iterator[Restricted]:
    """The network restricted to `characters` and to `answer`, at a level."""
    unseen = pairs.splits.get("val", torch.zeros_like(pairs.labels, dtype=torch.bool))
    if level == "logits":
        logits = pairs.logits
        means = AnswerMeans.of(logits, unseen)
        kept = _characters(checkpoint.context.bases[frame], frame, means.of_answer)[:, None]
        yield Restricted.of("characters", pairs, (means.middle + kept).expand_as(logits), logits - kept)
        others = means.without_itself(logits, unseen)
        yield Restricted.of("answer", pairs, others, logits - (others - means.middle))
        return
    alone, without = _neurons(checkpoint, frame, unseen)
    restricted = Restricted.of("answer", pairs, alone, without)
    yield replace(restricted, name="characters")
    yield restricted


@dataclass(frozen=True, eq=False)
class AnswerMeans:
    """Means over the chosen pairs of each product."""

    sums: Float[Tensor, "product unit"]
    counts: Float[Tensor, "product 1"]

    @staticmethod
    def of(values: Float[Tensor, "product left unit"], chosen: Bool[Tensor, "product left"]) -> AnswerMeans:
        inside = chosen.to(values.dtype)
        return AnswerMeans(torch.bmm(inside[:, None], values)[:, 0], inside.sum(1, keepdim=True))

    @property
    def of_answer(self) -> Float[Tensor, "product unit"]:
        """NaN where no pair of the product was chosen."""
        return self.sums / self.counts

    @property
    def middle(self) -> Float[Tensor, "unit"]:
        """The mean over products."""
        return self.of_answer.nanmean(0)

    def without_itself(
        self, values: Float[Tensor, "product left unit"], chosen: Bool[Tensor, "product left"]
    ) -> Float[Tensor, "product left unit"]:
        """The mean for each pair over the others of its product; NaN where there is none."""
        own = chosen.to(values.dtype)[..., None]
        return (self.sums[:, None] - own * values) / (self.counts[:, None] - own)


def _characters(
    basis: GridBasis, frame: Frame, means: Float[Tensor, "product d_vocab_out"]
) -> Float[Tensor, "product d_vocab_out"]:
    """sum_rho w_rho chi_rho(g c^-1) over all irreps, in the logits of the answers; 0 in all others.

    A product without any unseen pair counts as one at which the logits are at their mean.
    """
    answer = torch.from_numpy(frame.answer)
    centred = means[:, answer] - means[:, answer].mean(1, keepdim=True)
    known = ~centred.isnan().any(1, keepdim=True)
    centred = torch.where(known, centred, centred.nanmean(0)) if known.any() else centred
    inner, square = character_products(basis, basis.F.T @ centred.double())
    weights = torch.from_numpy((inner / square)[1:])
    characters = torch.from_numpy(np.stack([irrep.character for irrep in frame.group.irreps[1:]]))
    kept = torch.zeros_like(means)
    at_quotient = (weights @ characters).to(means.dtype)  # sum_rho w_rho chi_rho(g)
    kept[:, answer] = at_quotient[torch.tensor(frame.group.table[:, frame.group.inverse])]
    return kept


def _neurons(
    checkpoint: Checkpoint, frame: Frame, unseen: Bool[Tensor, "product left"]
) -> tuple[Float[Tensor, "product left d_vocab_out"], Float[Tensor, "product left d_vocab_out"]]:
    """Logits with nothing but what the last MLP's neurons make of the answer, and without it."""
    context, weights = checkpoint.context, checkpoint.weights
    block = f"blocks.{context.last}"

    def at_pairs(values: Float[Tensor, "row col unit"]) -> Float[Tensor, "product left unit"]:
        return rearrange(values, "row col unit -> (row col) unit")[context.bases[frame].pairs]

    neurons = checkpoint.activations(frame.operation, f"{block}.mlp.hook_post")
    written = at_pairs(neurons @ weights[f"{block}.mlp.W_out"])
    resid = at_pairs(checkpoint.activations(frame.operation, f"{block}.hook_resid_post"))
    means = AnswerMeans.of(written, unseen)
    kept = means.without_itself(written, unseen) - means.middle
    alone = unembedded(context.config, weights, resid.mean((0, 1)) + kept)
    return alone, unembedded(context.config, weights, resid - kept)
