"""Muon: momentum, orthogonalised, for matrices; Adam for everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grokscope.config.checks import averaging_pair, choice, number, positive
from grokscope.config.optimizer import OptimizerConfig, declare_optimizer
from grokscope.config.parameter_groups import Heads
from grokscope.optimizers.rule import Rule

if TYPE_CHECKING:
    from torch import Tensor

    from grokscope.optimizers.flat import FlatParameters


@declare_optimizer("muon")
class Muon(OptimizerConfig):
    """Muon, for the matrices of attention and MLPs, and Adam for embeddings, unembedding and vectors."""

    OWN_DECAY = "decoupled"
    FIXED = ("heads",)

    betas: tuple[float, float] = (0.9, 0.97)
    """Averaging coefficients of Adam."""
    momentum: float = 0.0
    """Momentum of matrices."""
    heads: Heads = "joined"
    """Whether attention matrices of all heads are orthogonalised together, or those of each head."""
    eps: float = 1e-8
    """epsilon of Adam: what is added to the root of the average of squares that a step is divided by."""
    adam_lr: float | None = None
    """Learning rate of Adam, for embeddings, unembedding and vectors; left out: `lr`."""

    def check(self) -> None:
        averaging_pair("optimizer.betas", self.betas)
        number("optimizer.momentum", self.momentum, 0.0, 1.0, open_low=False, open_high=True)
        choice("optimizer.heads", self.heads, Heads)
        positive("optimizer.eps", self.eps)
        if self.adam_lr is not None:
            positive("optimizer.adam_lr", self.adam_lr)

    def rate_of(self, parameter: str, lr: float) -> float:
        if self.adam_lr is not None and not is_orthogonalised(parameter):
            return lr * self.adam_lr / self.lr
        return lr

    @property
    def kept_vectors(self) -> int:
        return 3  # momentum of all, and Adam's two of all that is no matrix

    def build(self, parameters: FlatParameters) -> MuonRule:
        return MuonRule(self, parameters)


def is_orthogonalised(name: str) -> bool:
    """Whether Muon orthogonalises a parameter's updates: matrices of attention and MLPs; embeddings have Adam."""
    from grokscope.model import is_matrix, role

    return is_matrix(name) and role(name) in ("attention", "mlp")


class MuonRule(Rule):
    """Matrices, with m = momentum, and the rest, by Adam:

        b <- m b + (1 - m) g,   u = (1 - m) g + m b,   W <- W - lr sqrt(max(1, d_out / d_in)) orthogonalised(u)

    Source: Jordan et al. 2024, with Nesterov momentum and the size factor as in `torch.optim.Muon`.

    Arguments:
        config: rates, momentum m, Adam's betas, and whether attention matrices are orthogonalised joined or per head.
        parameters: in one vector, with its gradient.
    """

    def __init__(self, config: Muon, parameters: FlatParameters) -> None:
        import torch

        super().__init__(config)
        self._parameters, vector = parameters, parameters.vector.detach()
        self._matrices = [name for name in parameters.names if is_orthogonalised(name)]
        rest = [name for name in parameters.names if not is_orthogonalised(name)]
        gradients = parameters.views(parameters.gradient)
        # Momentum lies in one vector, in the order of memory, so that a state that was loaded adds up to the same bits.
        self._average = torch.zeros_like(vector)
        self._rest = [parameters.weights[name].detach() for name in rest]
        self._rest_gradients = [gradients[name] for name in rest]
        self._first, self._second = (list(map(torch.zeros_like, self._rest)) for _ in range(2))
        self._steps = [torch.zeros((), dtype=torch.float32) for _ in rest]

    def step(self, lr: float) -> None:
        self._orthogonal_step(lr)
        self._adam_step(lr)

    def tensors(self) -> dict[str, Tensor]:
        """Numbered as `torch.optim` numbers parameters: the vector of momentum, then the parameters that have Adam."""
        kept = {"0.momentum_buffer": self._average}
        moments = zip(self._steps, self._first, self._second, strict=True)
        for place, (step, first, second) in enumerate(moments, start=1):
            kept |= {f"{place}.step": step, f"{place}.exp_avg": first, f"{place}.exp_avg_sq": second}
        return kept

    def _orthogonal_step(self, lr: float) -> None:
        from grokscope.model import as_matrix, write_matrix_
        from grokscope.optimizers.orthogonal import orthogonalised

        gradient, m, heads = self._parameters.gradient, self.config.momentum, self.config.heads
        self._average.lerp_(gradient, 1 - m)
        updates = self._parameters.views(gradient.lerp(self._average, m))
        for name in self._matrices:
            update = updates[name]
            matrix = orthogonalised(as_matrix(name, update, heads))
            d_out, d_in = matrix.shape[-2:]
            write_matrix_(name, update, matrix, heads)
            self._parameters.weights[name].detach().sub_(update, alpha=lr * max(1.0, d_out / d_in) ** 0.5)

    def _adam_step(self, lr: float) -> None:
        from torch.optim.adam import adam

        config = self.config
        adam(
            self._rest,
            self._rest_gradients,
            self._first,
            self._second,
            [],
            self._steps,
            foreach=True,
            amsgrad=False,
            beta1=config.betas[0],
            beta2=config.betas[1],
            lr=lr * (1.0 if config.adam_lr is None else config.adam_lr / config.lr),
            weight_decay=0.0,
            eps=config.eps,
            maximize=False,
        )
