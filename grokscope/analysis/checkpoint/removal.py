"""Does the network use an irrep of its embedding? What it loses without it, against losing as much of nothing.

Taken from the embedding T `[element, d_model]`, for both operands, who share it:

    without rho   T - P_rho T
    control       T - (||P_rho T|| / ||D||) D,     D Gaussian, of mean 0 over the elements

The control takes as much power away, of random functions of the element in random directions of the residual stream.
The network *uses* rho if its loss without rho is larger than its loss with it, and larger than under each of `DRAWS`
controls.

Directions are random in the residual stream, too. In the directions of rho itself a random function of equal power
would not take the signal away but drown it, and cost more than the removal of an irrep that the network relies on. And
the control is spread over all of them: in one or two, it would at times hit what carries another irrep, and say more
about that one. Losses are means over up to `PAIRS` examples of train and val together, the same ones for every irrep
and checkpoint, so that two losses differ by what was removed alone.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.engine import cross_entropies

if TYPE_CHECKING:
    from grokscope.analysis.checkpoint.checkpoint import Checkpoint
    from grokscope.analysis.checkpoint.frames import Frame

PAIRS = 256
DRAWS = 5


class Removal:
    """Losses of one network with parts of its embedding taken away.

    Arguments:
        checkpoint: the network.
        frame: the operation and the group that it is read in.
        pairs: most examples that a loss is a mean over; all of them where there are fewer.
    """

    def __init__(self, checkpoint: Checkpoint, frame: Frame, pairs: int = PAIRS) -> None:
        grid = checkpoint.context.grids[frame.operation]
        self._basis, self._engine = checkpoint.context.bases[frame], grid.engine
        self._weights = checkpoint.weights
        self._tokens = torch.from_numpy(frame.left)
        self._embedding = checkpoint.weights["embed.W_E"][self._tokens].double()
        of_group = self._basis.pairs.flatten().sort().values
        examples = of_group[grid.splits["all"].flatten()[of_group]]
        order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(0))
        self._pairs: Int[Tensor, " example"] = examples[order[:pairs]]
        self._labels = grid.labels.flatten()[self._pairs]

    @cached_property
    def full(self) -> float:
        """The network's own loss on the pairs, in nats."""
        return self._loss(torch.zeros_like(self._embedding))

    def without(self, irrep: int) -> float:
        """The loss without an irrep."""
        return self._loss(self._part(irrep))

    def control(self, irrep: int, draw: int) -> float:
        """The loss without as much power of random functions in random directions; `draw` numbers them."""
        generator = torch.Generator().manual_seed(draw)
        taken = torch.randn(self._embedding.shape, generator=generator, dtype=torch.float64)
        taken -= taken.mean(0)
        return self._loss(taken * (self._part(irrep).norm() / taken.norm()))

    def is_used(self, irrep: int, draws: int = DRAWS) -> bool:
        """Whether the network loses more without the irrep than without any of so many random directions."""
        without = self.without(irrep)
        # Most irreps that are not used fail at once or at one of the first draws.
        return without > self.full and all(without > self.control(irrep, draw) for draw in range(draws))

    def _part(self, irrep: int) -> Float[Tensor, "element d_model"]:
        columns = self._basis.F[:, self._basis.spans[irrep]]
        return columns @ (columns.T @ self._embedding)

    def _loss(self, taken: Float[Tensor, "element d_model"]) -> float:
        embedding = self._weights["embed.W_E"].clone()
        embedding[self._tokens] -= taken.to(embedding.dtype)
        with torch.no_grad():
            logits = self._engine.answer_logits({**self._weights, "embed.W_E": embedding}, self._pairs)
        return float(cross_entropies(logits, self._labels).double().mean())
