"""Drawing batches, and comparing the engine with a `HookedTransformer` that holds the same weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor

from grokscope.engine import Engine
from grokscope.model import Weights, build_model, tied, trained_names
from tests.model.strategies import Network

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-11}
"""Largest difference, relative to the largest entry: the promise of issue 3."""

# One example; fewer than there are prefixes; about as many; more, so that examples repeat; every one once.
batches = st.one_of(st.just("one"), st.just("all"), st.tuples(st.integers(2, 150), st.integers(0, 2**20)))


def examples_of(network: Network, batch: str | tuple[int, int]) -> Tensor:
    n = network.task.n_examples
    if isinstance(batch, tuple):
        size, seed = batch
        return torch.randint(n, (size,), generator=torch.Generator().manual_seed(seed))
    return torch.arange(n) if batch == "all" else torch.tensor([network.seed % n])


SMALLEST_SCALE = 0.05
"""Activations of `random_weights` are of order one. Where all are smaller than this, say one neuron at gelu(-4),
they are differences of much larger numbers, and relative to those they are exact."""


@torch.no_grad()
def relative_difference(ours: Tensor, theirs: Tensor) -> float:
    """Largest absolute difference over the largest entry."""
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    assert ours.dtype == theirs.dtype
    return float((ours - theirs).abs().max()) / max(float(theirs.abs().max()), SMALLEST_SCALE)


def gradients_of_engine(network: Network, examples: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Gradient of the mean cross-entropy for every trained parameter; zeros where the loss does not depend on it."""
    weights = {name: value.clone() for name, value in network.weights.items()}
    leaves = {name: weights[name].requires_grad_() for name in trained_names(weights, network.config)}
    weights = tied(network.config, weights)
    loss = F.cross_entropy(Engine(network.config, network.task).answer_logits(weights, examples), labels)
    return _zero_filled(leaves, torch.autograd.grad(loss, list(leaves.values()), allow_unused=True))


def gradients_of_hooked(network: Network, examples: Tensor, labels: Tensor) -> dict[str, Tensor]:
    model = build_model(network.config, network.task)
    model.load_state_dict(network.weights)
    leaves = {name: p for name, p in model.named_parameters() if p.requires_grad}
    changed = dict(leaves)
    if network.config.tied:  # a HookedTransformer has no tied weights: it is given the embedding in both places
        changed["unembed.W_U"] = leaves["embed.W_E"].T[:, : model.cfg.d_vocab_out]
    logits = torch.func.functional_call(model, changed, (network.task.tokens[examples],))
    loss = F.cross_entropy(logits[:, -1], labels)
    return _zero_filled(leaves, torch.autograd.grad(loss, list(leaves.values()), allow_unused=True))


def _zero_filled(leaves: Weights, grads: tuple[Tensor | None, ...]) -> dict[str, Tensor]:
    pairs = zip(leaves.items(), grads, strict=True)
    return {name: torch.zeros_like(leaf) if grad is None else grad for (name, leaf), grad in pairs}


def assert_gradients_agree(ours: Weights, theirs: Weights, tolerance: float) -> None:
    """To the tolerance, relative to the parameter's own largest entry, but for gradients that are rounding errors of
    much larger ones: attention does not depend on b_K at all, for one."""
    assert set(ours) == set(theirs)
    largest = max(float(grad.abs().max()) for grad in theirs.values())
    for name, grad in theirs.items():
        assert ours[name].shape == grad.shape
        difference = float((ours[name] - grad).abs().max())
        assert difference <= tolerance * max(float(grad.abs().max()), 0.01 * largest), name
