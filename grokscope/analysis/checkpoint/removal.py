"""Does the network use an irrep of its embedding? What it loses without it, against losing as much of nothing.

Taken from the embedding T `[element, d_model]` of each operand, in the order of the elements that its tokens stand for
in its place (the same rows for both where they are called alike):

    without rho   T - P_rho T
    control       T - (||P_rho T|| / ||D||) D,     D Gaussian, of mean 0 over the elements, the same for both operands

The control takes as much power away, of random functions of the element in random directions of the residual stream.
The network *uses* rho if its loss without rho is larger than its loss with it, and larger than under each of `DRAWS`
controls, by more than rounding.

Directions are random in the residual stream, too. In the directions of rho itself a random function of equal power
would not take the signal away but drown it, and cost more than the removal of an irrep that the network relies on. And
the control is spread over all of them: in one or two, it would at times hit what carries another irrep, and say more
about that one. Losses are means over up to `PAIRS` examples of train and val together, the same ones for every irrep
and checkpoint, so that two losses differ by what was removed alone.

The networks of one irrep (as it is, without, and under each control) run in one pass (see `OperandRows`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.analysis.checkpoint.basis import GridBasis
from grokscope.analysis.checkpoint.operand_rows import OperandRows
from grokscope.engine import cross_entropies
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
        grid = context.grids[frame.operation]
        self._basis: GridBasis = context.bases[frame]
        of_group = self._basis.pairs.flatten().sort().values
        examples = of_group[grid.splits["all"].flatten()[of_group]]
        chosen = examples[torch.randperm(len(examples), generator=torch.Generator().manual_seed(0))[:pairs]]
        self._labels: Int[Tensor, "example"] = grid.labels.flatten()[chosen]
        self._rows = OperandRows(context, frame, chosen, 2 + DRAWS)

    def losses(self, weights: Weights, irrep: int) -> Losses:
        """Of a network as it is, without an irrep, and under each control."""
        operands = self._rows.of(weights)
        functions = self._basis.F[:, self._basis.spans[irrep]]
        parts = [functions @ (functions.T @ table) for table in operands]
        taken = [[torch.zeros_like(part) for part in parts], parts]
        taken += [[_control(part, draw) for part in parts] for draw in range(DRAWS)]
        rows = [(operands[0] - left, operands[1] - right) for left, right in taken]
        logits = self._rows.logits(weights, rows)
        losses = cross_entropies(logits.flatten(0, 1), self._labels.repeat(len(taken))).double()
        full, without, *controls = losses.view(len(taken), -1).mean(1).tolist()
        return Losses(full, without, tuple(controls))


def _control(part: Float[Tensor, "element d_model"], draw: int) -> Float[Tensor, "element d_model"]:
    """As much power of random functions in random directions; `draw` numbers them."""
    generator = torch.Generator().manual_seed(draw)
    taken = torch.randn(part.shape, generator=generator, dtype=torch.float64)
    taken -= taken.mean(0)
    return taken * (part.norm() / taken.norm())
