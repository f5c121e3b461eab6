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

    answer      restricted  head(r0 + S' - S0)
                excluded    head(r - (S' - S0))

with r0 the mean over products of the means of r over their unseen pairs; `characters` is the same there, for at that
level a set of irreps stands for all functions of a * b through them, and these are all irreps. Pairs whose answer has
no other unseen pair have no value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
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
        logits: Callable[
            [slice], tuple[Float[Tensor, "some left d_vocab_out"], Float[Tensor, "some left d_vocab_out"]]
        ],
    ) -> Restricted:
        """From the logits with nothing but the set, and without it, of so many products at a time."""
        loss, without, right = (torch.empty_like(pairs.full, dtype=torch.float64) for _ in range(3))
        for block in pairs.blocks:
            (restricted, excluded), labels = logits(block), pairs.labels[block]
            loss[block], without[block] = cross_entropies(restricted, labels), cross_entropies(excluded, labels)
            right[block] = (restricted.argmax(-1) == labels).double()
            right[block][restricted.isnan().any(-1)] = torch.nan
        return Restricted(name, loss, without, right)


def restricted_to_answer(checkpoint: Checkpoint, frame: Frame, pairs: Pairs, level: str) -> Iterator[Restricted]:
    """The network restricted to `characters` and to `answer`, at a level."""
    unseen = pairs.splits.get("val", torch.zeros_like(pairs.labels, dtype=torch.bool))
    if level == "neurons":
        restricted = _neurons(checkpoint, frame, pairs, unseen)
        yield replace(restricted, name="characters")
        yield restricted
        return
    with pairs.holding_logits():
        yield from _logits(checkpoint, frame, pairs, unseen)


def _logits(
    checkpoint: Checkpoint, frame: Frame, pairs: Pairs, unseen: Bool[Tensor, "product left"]
) -> Iterator[Restricted]:
    means = AnswerMeans.of(pairs.logits, unseen, pairs.blocks)
    kept = _characters(checkpoint.context.bases[frame], frame, means.of_answer)

    def of_characters(block: slice) -> tuple[Tensor, Tensor]:
        logits, of_block = pairs.logits(block), kept[block][:, None]
        return (means.middle + of_block).expand_as(logits), logits - of_block

    def of_answer(block: slice) -> tuple[Tensor, Tensor]:
        logits = pairs.logits(block)
        others = means.without_itself(logits, block)
        return others, logits - (others - means.middle)

    yield Restricted.of("characters", pairs, of_characters)
    yield Restricted.of("answer", pairs, of_answer)


@dataclass(frozen=True, eq=False)
class AnswerMeans:
    """Means over the chosen pairs of each product."""

    chosen: Bool[Tensor, "product left"]
    sums: Float[Tensor, "product unit"]
    counts: Float[Tensor, "product 1"]

    @staticmethod
    def of(
        values: Callable[[slice], Float[Tensor, "some left unit"]],
        chosen: Bool[Tensor, "product left"],
        blocks: Sequence[slice],
    ) -> AnswerMeans:
        """Of values at the pairs of so many products at a time."""
        sums = torch.empty((len(chosen), values(slice(0, 0)).shape[-1]), dtype=torch.float64)
        for block in blocks:
            some = values(block).double()
            sums[block] = torch.bmm(chosen[block].to(some.dtype)[:, None], some)[:, 0]
        return AnswerMeans(chosen, sums, chosen.sum(1, keepdim=True).to(sums.dtype))

    @property
    def of_answer(self) -> Float[Tensor, "product unit"]:
        """NaN where no pair of the product was chosen."""
        return self.sums / self.counts

    @cached_property
    def middle(self) -> Float[Tensor, "unit"]:
        """The mean over products."""
        return self.of_answer.nanmean(0)

    def without_itself(self, values: Float[Tensor, "some left unit"], block: slice) -> Float[Tensor, "some left unit"]:
        """The mean for each pair of some products over the others of its product; NaN where there is none."""
        own = self.chosen[block].to(self.sums.dtype)[..., None]
        return (self.sums[block][:, None] - own * values) / (self.counts[block][:, None] - own)


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


def _neurons(checkpoint: Checkpoint, frame: Frame, pairs: Pairs, unseen: Bool[Tensor, "product left"]) -> Restricted:
    """The network with nothing but what the last MLP's neurons make of the answer, and without it."""
    context, weights = checkpoint.context, checkpoint.weights
    block = f"blocks.{context.last}"
    neurons = checkpoint.activations(frame.operation, f"{block}.mlp.hook_post").flatten(0, 1)
    resid = checkpoint.activations(frame.operation, f"{block}.hook_resid_post").flatten(0, 1)

    def written(some: slice) -> Float[Tensor, "some left d_model"]:
        return neurons[pairs.order[some]] @ weights[f"{block}.mlp.W_out"]

    means = AnswerMeans.of(written, unseen, pairs.blocks)
    middle = AnswerMeans.of(lambda some: resid[pairs.order[some]], unseen, pairs.blocks).middle

    def of_answer(some: slice) -> tuple[Tensor, Tensor]:
        kept = means.without_itself(written(some), some) - means.middle
        at_pairs = resid[pairs.order[some]]
        alone, without = (unembedded(context.config, weights, x) for x in (middle + kept, at_pairs - kept))
        return alone, without

    return Restricted.of("answer", pairs, of_answer)
