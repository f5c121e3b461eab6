"""Several networks at once compute what each computes alone: logits and gradients, on examples of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from torch import Tensor

from grokscope.engine import Engine, StackedEngine
from grokscope.jit import operations_of_torch
from grokscope.model import dtype_of, tied, trained_names
from tests.engine.networks import (
    TOLERANCE,
    assert_gradients_agree,
    batches,
    examples_of,
    gradients_of_engine,
    relative_difference,
)
from tests.engine.test_exactness import EIGHT_LAYERS, PUBLISHED
from tests.model.strategies import Network, networks


def together(network: Network, batch) -> tuple[list[Network], list[Tensor]]:
    """Three networks of other weights, and as many examples for each, in an order of its own."""
    members = [replace(network, seed=network.seed + number) for number in range(3)]
    examples = examples_of(network, batch)
    n = network.task.n_examples
    return members, [(examples + number) % n for number in range(3)]


def assert_agree(network: Network, batch) -> None:
    members, examples = together(network, batch)
    config, task, tolerance = network.config, network.task, TOLERANCE[dtype_of(network.config)]
    weights = {name: torch.stack([m.weights[name] for m in members]) for name in members[0].weights}
    leaves = {name: weights[name].requires_grad_() for name in trained_names(weights, config)}
    stacked = tied(config, weights)
    logits = StackedEngine(config, task, 3).answer_logits(stacked, torch.stack(examples))
    labels = torch.stack([task.labels[chosen] for chosen in examples])
    loss = sum(F.cross_entropy(ours, right) for ours, right in zip(logits, labels, strict=True))
    assert isinstance(loss, Tensor)
    grads = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    for number, (member, chosen) in enumerate(zip(members, examples, strict=True)):
        alone = Engine(config, task).answer_logits(member.weights, chosen)
        assert relative_difference(logits[number].detach(), alone) <= tolerance
        ours = {
            name: torch.zeros_like(leaf[number]) if grad is None else grad[number]
            for (name, leaf), grad in zip(leaves.items(), grads, strict=True)
        }
        assert_gradients_agree(ours, gradients_of_engine(member, chosen, labels[number]), tolerance)


@settings(max_examples=20)
@given(networks(), batches)
def test_each_of_several_networks_computes_what_it_computes_alone(network, batch):
    assert_agree(network, batch)


@pytest.mark.parametrize("network", [*EIGHT_LAYERS, *PUBLISHED], ids=lambda n: f"{n.task_config.name}-{n.config.dtype}")
def test_deep_networks_and_those_of_the_published_width(network):
    assert_agree(network, (40, 1))


@settings(max_examples=12)
@given(networks(), batches)
def test_operations_of_torch_compute_what_compiled_loops_compute(network, batch):
    """The engine as it runs on a device that has no loops."""
    examples = examples_of(network, batch)
    labels, tolerance = network.task.labels[examples], TOLERANCE[dtype_of(network.config)]
    by_loops = gradients_of_engine(network, examples, labels)
    logits = Engine(network.config, network.task).answer_logits(network.weights, examples)
    with operations_of_torch():
        assert_gradients_agree(gradients_of_engine(network, examples, labels), by_loops, tolerance)
        ours = Engine(network.config, network.task).answer_logits(network.weights, examples)
    assert relative_difference(ours, logits) <= tolerance
