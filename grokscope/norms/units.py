"""What is held to a norm: each tensor, or each row, of some parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from grokscope.config.parameter_groups import Held, Unit, Zeros
from grokscope.model import Weights
from grokscope.norms.rows import bundle_norms, bundles


class Units:
    """The tensors, or the rows, of some parameters, relative to their norms at the start.

    b_Q, b_K and b_V of a layer are one row (see `bundles`), and here one tensor too. What is zero at the start, as the
    biases of attention and of LayerNorm are in a fresh network, has no norm that it could be scaled to.

    Arguments:
        unit: tensors or rows.
        names: the parameters.
        start: the weights that norms are relative to.
        zeros: whether what is zero at the start stays free, or is held at zero.
    """

    def __init__(self, unit: Unit, names: Iterable[str], start: Weights, zeros: Zeros = "free") -> None:
        self._unit = unit
        grouped = bundles(tuple(names))
        norms = self._norms(start, grouped)
        self.bundles = tuple(bundle for bundle, norm in zip(grouped, norms, strict=True) if bool((norm > 0).any()))
        """The parameters of every tensor, or of all rows that are held together."""
        self.start = [norm.clone() for norm in norms if bool((norm > 0).any())]
        """The norms at the start, each to be broadcast against the tensors of its bundle."""
        self._zeros = [
            (bundle, norm == 0)
            for bundle, norm in zip(grouped, norms, strict=True)
            if zeros == "held" and bool((norm == 0).any())
        ]

    def norms(self, weights: Weights) -> list[Tensor]:
        """The norms now."""
        return self._norms(weights, self.bundles)

    def growth(self, weights: Weights) -> list[Tensor]:
        """The norms now relative to those at the start; 1 for what was or is zero."""
        return [_ratio(now, start) for now, start in zip(self.norms(weights), self.start, strict=True)]

    def hold_(self, weights: Weights, radius: float = 1.0) -> None:
        """Scale everything to a multiple of its norm at the start, in place; what is zero stays so.

        What was zero at the start stays as it is, or becomes zero again where it is held.
        """
        factors = [_ratio(radius * start, now) for now, start in zip(self.norms(weights), self.start, strict=True)]
        for value, factor in self.tensors(weights, factors):
            value.mul_(factor)
        self.hold_zeros_(weights)

    def hold_zeros_(self, weights: Weights) -> None:
        """Make zero again what was so at the start, in place, where that is held."""
        for bundle, zero in self._zeros:
            for name in bundle:
                weights[name].detach().masked_fill_(zero, 0.0)

    def tensors(self, weights: Weights, values: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Every tensor with the value of its bundle."""
        for bundle, value in zip(self.bundles, values, strict=True):
            for name in bundle:
                yield weights[name].detach(), value

    def _norms(self, weights: Weights, grouped: Sequence[tuple[str, ...]]) -> list[Tensor]:
        of_rows = bundle_norms({name: weights[name].detach() for bundle in grouped for name in bundle}, grouped)
        return of_rows if self._unit == "rows" else [torch.linalg.vector_norm(norms) for norms in of_rows]


def units_from(start: Weights | None, names: Iterable[str], held: Held, zeros: Zeros) -> Units | None:
    """What a setting holds to its norm at the start; None where it holds nothing, or where the start is not known."""
    return None if start is None or held == "none" else Units(held, names, start, zeros)


def _ratio(one: Tensor, other: Tensor) -> Tensor:
    return torch.where((one > 0) & (other > 0), one / other, 1.0)
