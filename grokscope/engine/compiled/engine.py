"""The exact engine for training and evaluation alone: loss and gradient in one call, on memory of its own."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.blas import openblas
from grokscope.config import LossConfig, ModelConfig
from grokscope.engine.compiled.cross_entropy import cross_entropy, losses_and_hits
from grokscope.engine.compiled.network import Network
from grokscope.engine.compiled.plan import ExampleTable, Plan
from grokscope.engine.compiled.program import Parameters
from grokscope.engine.loss import logit_std, loss_function, scaled_to
from grokscope.engine.losses.cross_entropy import CrossEntropy
from grokscope.engine.prefixes import prefix_table
from grokscope.model import UNEMBEDDING, Weights, dtype_of, tied
from grokscope.tasks import Task

SIZES_KEPT = 4
"""Batch sizes whose memory is kept: the usual one, the ragged one at the end of an epoch, and a held-back one."""

LARGEST_EVALUATION = 2048
"""Examples evaluated at a time: more need more memory and are not faster."""


class CompiledEngine:
    """Loss, gradient and evaluation of one set of weights, which others change in place.

    Arguments:
        config: the architecture.
        task: whose examples are trained on.
        loss: what is minimised.
        weights: a complete state dict in memory order (see `grokscope.optimizers.FlatParameters`).
        gradients: where to write the gradient of every trained parameter.
    """

    def __init__(self, config: ModelConfig, task: Task, loss: LossConfig, weights: Weights, gradients: Weights) -> None:
        self.config, self._dtype = config, dtype_of(config)
        self._prefixes = prefix_table(config, task.tokens)
        self._examples = ExampleTable(self._prefixes)
        self._labels = task.labels.numpy()
        if config.tied:  # its gradient is a part of that of the embedding, where it is added at the end
            gradients = {**gradients, UNEMBEDDING: torch.empty(weights[UNEMBEDDING].shape, dtype=self._dtype)}
        self._parameters = Parameters(tied(config, weights), gradients)
        self._networks: dict[tuple[int, bool], Network] = {}
        self.set_loss(loss)

    def set_loss(self, loss: LossConfig) -> None:
        """Minimise another loss from now on."""
        self._loss_config, self._loss = loss, loss_function(loss)
        # Other losses are those of torch, of the logits of the same compiled network.
        self._has_kernel = isinstance(loss, CrossEntropy) and loss.smoothing == 0.0

    @torch.no_grad()
    def loss_and_gradient(
        self, examples: Int[Tensor, "example"], spread: float | None = None
    ) -> tuple[float, Float[Tensor, "example d_vocab_out"]]:
        """The mean loss and the logits. The gradients are written where they belong.

        Arguments:
            spread: the loss is that of logits scaled to it (see `scaled_to`).
        """
        network = self._network(len(examples), backward=True)
        # In the order of the task, neighbours share tokens, whose values are then in the cache.
        order = np.argsort(examples.numpy(), kind="stable")
        chosen = examples.numpy()[order]
        with openblas.threads(torch.get_num_threads()):
            network.prepare()
            network.forward(chosen)
            loss = self._loss_gradient(network.logits, self._labels[chosen], network.d_logits, spread)
            network.backward()
        logits = torch.empty_like(network.logits)
        logits[torch.from_numpy(order)] = network.logits
        return loss, logits

    def _loss_gradient(self, logits: Tensor, labels: np.ndarray, d_logits: Tensor, spread: float | None) -> float:
        if self._has_kernel:
            losses = np.empty(len(labels), dtype=np.float64)
            now = None if spread is None else logit_std(logits)
            # Logits times a factor are logits at a temperature of 1 / factor.
            temperature = self._loss_config.temperature * (now / spread if now and spread else 1.0)
            cross_entropy(logits.numpy(), labels, temperature, d_logits.numpy(), losses)
            return float(losses.mean())
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            loss = self._loss(scaled_to(leaf, spread), torch.from_numpy(labels), "mean")
            d_logits.copy_(torch.autograd.grad(loss, leaf)[0])
        return float(loss.detach())

    @torch.no_grad()
    def evaluate(self, *splits: Int[Tensor, "_"]) -> list[tuple[float, float]]:
        """Mean loss and accuracy over each of some sets of examples, in bounded memory.

        The sets are evaluated together, in the order of the task: neighbours share tokens, whose values are then in
        the cache.
        """
        examples = np.concatenate([split.numpy() for split in splits])
        order = np.argsort(examples, kind="stable")
        losses, hits = np.empty(len(examples)), np.empty(len(examples))
        prepared: set[int] = set()
        for part in np.array_split(order, -(-len(order) // LARGEST_EVALUATION)):
            network = self._network(len(part), backward=False)
            with openblas.threads(torch.get_num_threads()):
                if len(part) not in prepared:
                    network.prepare()
                    prepared.add(len(part))
                network.forward(examples[part])
            losses[part], hits[part] = self._of_each(network.logits, self._labels[examples[part]])
        parts = np.cumsum([len(split) for split in splits])[:-1]
        means = ([float(values.mean()) for values in np.split(both, parts)] for both in (losses, hits))
        return list(zip(*means, strict=True))

    def _of_each(self, logits: Tensor, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The loss of every example, and whether its largest logit is at the answer."""
        losses, hits = np.empty(len(labels)), np.empty(len(labels))
        if self._has_kernel:
            losses_and_hits(logits.numpy(), labels, self._loss_config.temperature, losses, hits)
        else:
            target = torch.from_numpy(labels)
            losses[:] = self._loss(logits.double(), target, "none").numpy()
            hits[:] = (logits.argmax(-1) == target).numpy()
        return losses, hits

    def flops(self, n_examples: int) -> int:
        """Floating-point operations that the matrix products of one training step need (2 per multiply-add)."""
        return self._network(n_examples, backward=True).flops

    def _network(self, n: int, *, backward: bool) -> Network:
        key = (n, backward)
        if key not in self._networks:
            kept = [other for other in self._networks if other[1] == backward]
            if len(kept) == SIZES_KEPT:
                del self._networks[kept[0]]
            self._networks[key] = Network(
                self.config, self._prefixes, Plan(self._examples, n), self._parameters, self._dtype, backward=backward
            )
        return self._networks[key]
