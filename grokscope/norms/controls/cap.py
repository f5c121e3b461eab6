"""The cap: a bound on a norm of every matrix, relative to its norm at the start.

    W <- W min(1, k ||W_0|| / ||W||)

with the Frobenius norm or the spectral norm (largest singular value). Beside the bound on rows it is the other norm
control: one number a matrix instead of one a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from grokscope.config.checks import choice, group_names, positive, refuse
from grokscope.config.norm_control import NormConfig, declare_control
from grokscope.config.parameter_groups import GroupName, Heads
from grokscope.norms.one_control import Control

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from grokscope.model import Weights

CapNorm = Literal["none", "frobenius", "spectral"]


@declare_control("cap", switches=("cap",), order=20)
class Cap(NormConfig):
    """Norms of matrices capped after every step."""

    cap: CapNorm = "none"
    """Upper bound on a norm of every matrix in `cap_scope` after every step, relative to its norm at the start."""
    cap_ratio: float = 1.0
    """k: W <- W min(1, k ||W_0|| / ||W||)."""
    cap_scope: tuple[GroupName, ...] = ("embed", "pos_embed", "attention", "mlp", "unembed")
    """Parameter groups whose matrices are capped."""
    cap_heads: Heads = "joined"
    """Whether the cap is on attention matrices of all heads together, or of each head."""

    def check(self) -> None:
        choice("norms.cap", self.cap, CapNorm)
        positive("norms.cap_ratio", self.cap_ratio)
        group_names("norms.cap_scope", self.cap_scope, GroupName)
        without = [name for name in self.cap_scope if name in ("ln", "ln_final", "biases")]
        if without:
            refuse("norms.cap_scope", self.cap_scope, f"{without[0]} has no matrices; leave it out")
        choice("norms.cap_heads", self.cap_heads, Heads)

    def build(self, names: Iterable[str], start: Weights | None) -> MatrixCap:
        return MatrixCap(self, start, names)


def frobenius_norm(matrix: Float[Tensor, "*head out in"]) -> Float[Tensor, "*head"]:
    """sqrt(sum of squares) of each matrix."""
    import torch

    return torch.linalg.vector_norm(matrix, dim=(-2, -1))


def spectral_norm(matrix: Float[Tensor, "*head out in"]) -> Float[Tensor, "*head"]:
    """The largest singular value of each matrix: root of the largest eigenvalue of the smaller Gram matrix.

    The Gram matrix squares the condition number, which blurs small singular values and leaves the largest exact to
    rounding; it is an order of magnitude faster than the singular values.
    """
    import torch

    narrow = matrix if matrix.shape[-2] <= matrix.shape[-1] else matrix.mT
    return torch.linalg.eigvalsh(narrow @ narrow.mT)[..., -1].clamp(min=0.0).sqrt()


_NORMS = {"frobenius": frobenius_norm, "spectral": spectral_norm}


class MatrixCap(Control):
    """The cap of a config on some parameters.

    Arguments:
        config: kind of norm, ratio and scope.
        start: the weights that bounds are relative to; None: they are not known, and nothing can be capped.
        names: the parameters that there are.
    """

    def __init__(self, config: Cap, start: Weights | None, names: Iterable[str]) -> None:
        from grokscope.model import in_scope, is_matrix

        self._config = config
        self._norm = _NORMS.get(config.cap, frobenius_norm)
        self._is_known = start is not None or config.cap == "none"
        self.bounds: dict[str, Float[Tensor, "*head"]] = {}
        """The bound on every capped matrix."""
        if start is not None and config.cap != "none":
            self.bounds = {
                name: config.cap_ratio * self.norm_of(name, start[name].detach())
                for name in filter(is_matrix, in_scope(names, config.cap_scope, "norms.cap_scope"))
            }

    def norm_of(self, name: str, value: Tensor) -> Float[Tensor, "*head"]:
        """The norm that is capped."""
        from grokscope.model import as_matrix

        return self._norm(as_matrix(name, value, self._config.cap_heads))

    def apply_(self, weights: Weights, step: int) -> None:
        """Scale every matrix above its bound down to it, in place; others stay bit for bit."""
        import torch

        from grokscope.model import as_matrix

        if not self._is_known:
            raise ValueError(
                f"norms.cap = {self._config.cap!r} needs the weights at the start: give NormControl its start"
            )
        for name, bound in self.bounds.items():
            value = weights[name].detach()
            # The Frobenius norm is never below the spectral norm, and cheap.
            quick = self._norm is spectral_norm
            if quick and bool((frobenius_norm(as_matrix(name, value, self._config.cap_heads)) <= bound).all()):
                continue
            norm = self.norm_of(name, value)
            factor = torch.where(norm > bound, bound / norm, 1.0)
            value.mul_(factor[:, None, None] if factor.ndim else factor)
