"""Does the network use an irrep of its embedding? What it loses without it, against losing as much of nothing.

Taken from the embedding T `[element, d_model]`, for both operands, who share it:

    without rho   T - P_rho T
    control       T - (||P_rho T|| / ||D||) D,     D Gaussian, of mean 0 over the elements

The control takes as much power away, of random functions of the element in random directions of the residual stream.
The network *uses* rho if its loss without rho is larger than its loss with it, and larger than under each of `DRAWS`
controls, by more than rounding.

Directions are random in the residual stream, too. In the directions of rho itself a random function of equal power
would not take the signal away but drown it, and cost more than the removal of an irrep that the network relies on. And
the control is spread over all of them: in one or two, it would at times hit what carries another irrep, and say more
about that one. Losses are means over up to `PAIRS` examples of train and val together, the same ones for every irrep
and checkpoint, so that two losses differ by what was removed alone.

The networks of one irrep (as it is, without, and under each control) run in one pass, for a product of many rows takes
less time than several of few: each example stands there once for each of them, with operand tokens of its own, and the
embedding has a row for each of those.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.analysis.checkpoint.basis import GridBasis
from grokscope.engine import Engine, cross_entropies
from grokscope.model import Weights

if TYPE_CHECKING:
    from grokscope.analysis.checkpoint.checkpoint import RunContext
    from grokscope.analysis.checkpoint.frames import Frame

PAIRS = 256
DRAWS = 5
ROUNDING = 1e-5
"""The share by which two losses differ through rounding at most: they are of float32 logits, or better."""


@dataclass(frozen=True)
class Losses:
    """Mean losses of one network, in nats."""

    full: float
    """As it is."""
    without: float
    """Without an irrep of its embedding."""
    controls: tuple[float, ...]
    """Without as much power of random functions in random directions."""

    @property
    def used(self) -> bool:
        """Whether the network loses more without the irrep than as it is, and than under every control.

        More by a share of `ROUNDING`: without an irrep that nothing reads, the loss is that of the whole network to
        rounding, which goes up on one processor and down on another.
        """
        return self.without > (1 + ROUNDING) * max(self.full, *self.controls)


class Removal:
    """Takes irreps from the embeddings of a run's networks.

    Arguments:
        context: of the run.
        frame: the operation and the group that it is read in.
        pairs: most examples that a loss is a mean over; all of them where there are fewer.
    """

    def __init__(self, context: RunContext, frame: Frame, pairs: int = PAIRS) -> None:
        grid, task = context.grids[frame.operation], context.task
        self._basis: GridBasis = context.bases[frame]
        self._operands = torch.from_numpy(frame.left)
        of_group = self._basis.pairs.flatten().sort().values
        examples = of_group[grid.splits["all"].flatten()[of_group]]
        chosen = examples[torch.randperm(len(examples), generator=torch.Generator().manual_seed(0))[:pairs]]
        tokens, labels = grid.engine.prefixes.tokens[chosen], grid.labels.flatten()[chosen]
        own = []
        for network in range(2 + DRAWS):
            rows = torch.arange(task.d_vocab)
            rows[self._operands] = task.d_vocab + network * len(self._operands) + torch.arange(len(self._operands))
            own.append(rows[tokens])
        several = replace(task, tokens=torch.cat(own), labels=labels.repeat(len(own)))
        self._engine = Engine(context.config, several)
        self._all: Int[Tensor, "example"] = torch.arange(several.n_examples)

    def losses(self, weights: Weights, irrep: int) -> Losses:
        """Of a network as it is, without an irrep, and under each control."""
        embedding = weights["embed.W_E"]
        operands = embedding[self._operands].double()
        functions = self._basis.F[:, self._basis.spans[irrep]]
        part = functions @ (functions.T @ operands)
        taken = [torch.zeros_like(part), part, *(_control(part, draw) for draw in range(DRAWS))]
        rows = torch.cat([embedding, *((operands - each).to(embedding.dtype) for each in taken)])
        with torch.no_grad():
            logits = self._engine.answer_logits({**weights, "embed.W_E": rows}, self._all)
        losses = cross_entropies(logits, self._engine.labels).double().view(len(taken), -1).mean(1)
        full, without, *controls = losses.tolist()
        return Losses(full, without, tuple(controls))


def _control(part: Float[Tensor, "element d_model"], draw: int) -> Float[Tensor, "element d_model"]:
    """As much power of random functions in random directions; `draw` numbers them."""
    generator = torch.Generator().manual_seed(draw)
    taken = torch.randn(part.shape, generator=generator, dtype=torch.float64)
    taken -= taken.mean(0)
    return taken * (part.norm() / taken.norm())
