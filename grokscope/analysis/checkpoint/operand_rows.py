"""Networks in which each operand has embedding rows of its own, from which something can be taken.

The two operands of an operation share the embedding, and a token may stand for one group element on the left and for
another on the right: y under x + 2 * y, or a right operand with a name of its own. What depends on an irrep is then
another part of the embedding for each place. So each place gets its own rows, one for each element.

Several networks run in one pass, for a product of many rows takes less time than several of few: each example stands
there once for each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.engine import Engine
from grokscope.model import Weights

if TYPE_CHECKING:
    from grokscope.analysis.checkpoint.checkpoint import RunContext
    from grokscope.analysis.checkpoint.frames import Frame

Rows = tuple[Float[Tensor, "element d_model"], Float[Tensor, "element d_model"]]
"""The embedding of every group element on the left and on the right."""


class OperandRows:
    """Some pairs of an operation, run with embedding rows of their own for the operands.

    Arguments:
        context: of the run.
        frame: the operation and the group that it is read in.
        pairs: of the flattened grid; their operands are elements of the group.
        networks: how many run side by side.
    """

    def __init__(self, context: RunContext, frame: Frame, pairs: Int[Tensor, "example"], networks: int = 1) -> None:
        grid, task = context.grids[frame.operation], context.task
        self._operands = torch.from_numpy(frame.left), torch.from_numpy(frame.right)
        n, tokens = frame.group.order, grid.engine.prefixes.tokens[pairs]
        of_networks = []
        for network in range(networks):
            own = tokens.clone()
            for place, (position, operands) in enumerate(zip(task.operand_positions, self._operands, strict=True)):
                rows = torch.full((task.d_vocab,), -1)
                rows[operands] = task.d_vocab + (2 * network + place) * n + torch.arange(n)
                own[:, position] = rows[tokens[:, position]]
            of_networks.append(own)
        labels = grid.labels.flatten()[pairs]
        several = replace(task, tokens=torch.cat(of_networks), labels=labels.repeat(networks))
        self._networks = networks
        self._engine = Engine(context.config, several)
        self._all: Int[Tensor, "example"] = torch.arange(several.n_examples)

    def of(self, weights: Weights) -> Rows:
        """The rows as a network has them, in float64."""
        left, right = (weights["embed.W_E"][operands].double() for operands in self._operands)
        return left, right

    def logits(self, weights: Weights, rows: Sequence[Rows]) -> Float[Tensor, "network example d_vocab_out"]:
        """Logits of a network with these rows instead of its own, for as many as run side by side."""
        embedding = weights["embed.W_E"]
        every = torch.cat([embedding, *(part.to(embedding.dtype) for parts in rows for part in parts)])
        with torch.no_grad():
            logits = self._engine.answer_logits({**weights, "embed.W_E": every}, self._all)
        return logits.view(self._networks, -1, logits.shape[1])
