"""The engine computes what a `HookedTransformer` computes: logits, activations and gradients."""

from __future__ import annotations

import gc
import weakref
from typing import get_args

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformer_lens.utilities.activation_functions import gelu_new

import grokscope.engine.linear as linear_kernels
from grokscope.config import ModelConfig, TaskConfig
from grokscope.config.model import Activation
from grokscope.engine import Engine
from grokscope.engine.layers import activation, linear
from grokscope.model import dtype_of, load_model, tied
from tests.engine.networks import (
    TOLERANCE,
    assert_gradients_agree,
    batches,
    examples_of,
    gradients_of_engine,
    gradients_of_hooked,
    relative_difference,
)
from tests.model.strategies import Network, networks

SMALL = {"d_model": 12, "n_heads": 3, "d_mlp": 20}
EIGHT_LAYERS = [
    Network(TaskConfig(name="mul", modulus=5), ModelConfig(n_layers=8, residual=residual, dtype=dtype, **SMALL), 3)
    for residual in ("normed", "pre_ln")
    for dtype in ("float32", "float64")
]
PUBLISHED = [
    Network(TaskConfig(name="mul", modulus=13), ModelConfig(), 0),
    Network(TaskConfig(name="permutation", degree=4), ModelConfig(), 0),
    Network(
        TaskConfig(name="add", modulus=13, form="x_y_eq"),
        ModelConfig(
            n_layers=1, activation="relu", normalization="none", biases=False, residual="pre_ln", output="answers"
        ),
        0,
    ),
]


def _assert_logits_agree(network: Network, batch) -> None:
    examples = examples_of(network, batch)
    ours = Engine(network.config, network.task).answer_logits(network.weights, examples)
    model = load_model(network.config, network.task, network.weights)
    theirs = model(network.task.tokens[examples])[:, -1]
    assert relative_difference(ours, theirs) <= TOLERANCE[dtype_of(network.config)]


def _assert_activations_agree(network: Network, batch) -> None:
    examples = examples_of(network, batch)
    engine = Engine(network.config, network.task)
    names = engine.activation_names()
    ours = engine.answer_activations(network.weights, examples, names)
    assert list(ours) == list(names)
    model = load_model(network.config, network.task, network.weights)
    with torch.no_grad():
        logits, cache = model.run_with_cache(network.task.tokens[examples])
    for name in names:
        theirs = logits if name == "logits" else cache[name]
        if name.endswith(("hook_attn_scores", "hook_pattern")):
            theirs = theirs[:, :, -1]  # [example, head, query, key]
        else:
            theirs = theirs[:, -1]
        assert relative_difference(ours[name], theirs) <= TOLERANCE[dtype_of(network.config)], name


def _assert_gradients_agree(network: Network, batch) -> None:
    examples = examples_of(network, batch)
    labels = network.task.labels[examples]
    ours, theirs = gradients_of_engine(network, examples, labels), gradients_of_hooked(network, examples, labels)
    assert_gradients_agree(ours, theirs, TOLERANCE[dtype_of(network.config)])


@settings(max_examples=40)
@given(networks(), batches)
def test_logits_equal_those_of_the_hooked_transformer(network, batch):
    _assert_logits_agree(network, batch)


@settings(max_examples=40)
@given(networks(), batches)
def test_every_activation_equals_run_with_cache(network, batch):
    _assert_activations_agree(network, batch)


@settings(max_examples=50)
@given(networks(), batches)
def test_every_gradient_equals_that_of_the_hooked_transformer(network, batch):
    _assert_gradients_agree(network, batch)


@pytest.mark.parametrize("batch", ["one", "all", (7, 0), (40, 1)])
@pytest.mark.parametrize("network", EIGHT_LAYERS, ids=lambda n: f"{n.config.residual}-{n.config.dtype}")
def test_eight_layers_are_computed_exactly(network, batch):
    _assert_logits_agree(network, batch)
    _assert_activations_agree(network, batch)
    _assert_gradients_agree(network, batch)


@pytest.mark.parametrize("batch", ["all", (64, 1)])
@pytest.mark.parametrize("network", PUBLISHED, ids=lambda n: n.task_config.name)
def test_networks_of_the_published_width_are_computed_exactly(network, batch):
    _assert_logits_agree(network, batch)
    _assert_activations_agree(network, batch)
    _assert_gradients_agree(network, batch)


@settings(max_examples=12)
@given(networks(), st.integers(0, 100))
@example(PUBLISHED[0], 0)
def test_logits_of_an_example_do_not_depend_on_the_rest_of_the_batch(network, seed):
    engine, n = Engine(network.config, network.task), network.task.n_examples
    whole = engine.answer_logits(network.weights, torch.arange(n))
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    tolerance = TOLERANCE[dtype_of(network.config)]
    assert relative_difference(engine.answer_logits(network.weights, order), whole[order]) <= tolerance
    for i in order[:3].tolist():
        alone = engine.answer_logits(network.weights, torch.tensor([i]))
        assert relative_difference(alone, whole[i : i + 1]) <= tolerance
        repeated = engine.answer_logits(network.weights, torch.tensor([i] * 5))
        assert relative_difference(repeated, whole[i].expand(5, -1)) <= tolerance


@settings(max_examples=12)
@given(networks(dtype="float32"), batches)
def test_the_fast_kernel_and_its_fallback_agree(network, batch):
    if not linear_kernels._has_onednn():
        pytest.skip("this build of torch has no oneDNN")
    examples = examples_of(network, batch)
    labels = network.task.labels[examples]
    fast = Engine(network.config, network.task).answer_logits(network.weights, examples)
    fast_grads = gradients_of_engine(network, examples, labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_kernels, "_has_onednn", lambda: False)
        slow = Engine(network.config, network.task).answer_logits(network.weights, examples)
        slow_grads = gradients_of_engine(network, examples, labels)
        _assert_gradients_agree(network, batch)
    assert relative_difference(fast, slow) <= TOLERANCE[torch.float32]
    largest = max(float(grad.abs().max()) for grad in slow_grads.values())
    for name, grad in slow_grads.items():
        assert float((fast_grads[name] - grad).abs().max()) <= TOLERANCE[torch.float32] * largest, name


@pytest.mark.parametrize("shape", [(1, 5, 7), (33, 5, 7), (5, 33, 7), (300, 64, 32), (300, 32, 64)])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("onednn", [True, False])
def test_a_matrix_product_and_its_gradients_equal_those_of_float64(shape, biased, onednn, monkeypatch):
    if not onednn:
        monkeypatch.setattr(linear_kernels, "_has_onednn", lambda: False)
    rows, d_in, d_out = shape
    source = torch.Generator().manual_seed(0)
    inputs = [torch.randn(rows, d_in, generator=source), torch.randn(d_in, d_out, generator=source)]
    inputs += [torch.randn(d_out, generator=source)] if biased else []
    probe = torch.randn(rows, d_out, generator=source)
    weights = {"mlp.W_in": inputs[1]} | ({"mlp.b_in": inputs[2]} if biased else {})
    ours, backward = linear(weights, "mlp.W_in", "mlp.b_in" if biased else None, inputs[0])
    grads: dict[str, torch.Tensor] = {}
    ours_grads = [backward(probe, grads), *(grads[name] for name in weights)]
    exact_in = [value.double().requires_grad_() for value in inputs]
    exact = exact_in[0] @ exact_in[1] + (exact_in[2] if biased else 0)
    torch.testing.assert_close(ours.double(), exact, rtol=1e-5, atol=1e-4)
    exact_grads = torch.autograd.grad((exact * probe.double()).sum(), exact_in)
    for mine, other in zip(ours_grads, exact_grads, strict=True):
        torch.testing.assert_close(mine.double(), other.detach(), rtol=1e-5, atol=1e-4)


ACTIVATIONS = {"quadratic": torch.square, "gelu_new": gelu_new}


@pytest.mark.parametrize("kind", get_args(Activation))
def test_an_activation_and_its_gradient_equal_those_of_autograd(kind):
    pre = torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    exact = ACTIVATIONS.get(kind, getattr(torch.nn.functional, kind, None))(pre)
    (expected,) = torch.autograd.grad(exact.sum(), pre)
    post, backward = activation(kind, pre.detach())
    torch.testing.assert_close(post, exact.detach())
    torch.testing.assert_close(backward(torch.ones_like(pre)), expected)


def test_gradients_of_several_losses_on_one_forward_pass_are_those_of_each():
    network = PUBLISHED[1]
    engine, examples = Engine(network.config, network.task), torch.arange(40)
    weights = {name: value.clone().requires_grad_(value.is_floating_point()) for name, value in network.weights.items()}
    leaf = weights["blocks.0.mlp.W_in"]
    logits = engine.answer_logits(weights, examples)
    first, second = (torch.autograd.grad(logits[:, i].sum(), leaf, retain_graph=True)[0] for i in (0, 1))
    again = torch.autograd.grad(engine.answer_logits(weights, examples)[:, 1].sum(), leaf)[0]
    assert torch.equal(second, again)
    assert not torch.equal(first, second)


def test_a_weight_written_to_between_forward_and_backward_is_an_error():
    network = PUBLISHED[1]
    weights = {name: value.clone() for name, value in network.weights.items()}
    leaf = weights["unembed.W_U"].requires_grad_()
    logits = Engine(network.config, network.task).answer_logits(weights, torch.arange(4))
    with torch.no_grad():
        leaf.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        logits.sum().backward()


@settings(max_examples=15)
@given(networks(dtype="float64", max_layers=2), st.integers(0, 2**20))
def test_the_gradient_predicts_what_a_small_change_of_all_weights_does(network, seed):
    """No HookedTransformer here: a central difference along a random direction."""
    examples = examples_of(network, (30, seed))
    labels = network.task.labels[examples]
    engine = Engine(network.config, network.task)
    grads = gradients_of_engine(network, examples, labels)
    source = torch.Generator().manual_seed(seed)
    direction = {name: torch.randn(g.shape, generator=source, dtype=g.dtype) for name, g in grads.items()}

    def loss(step: float) -> float:
        moved = {n: v + step * direction[n] if n in direction else v for n, v in network.weights.items()}
        return float(engine.loss(tied(network.config, moved), examples))

    if network.config.activation == "relu":
        return  # a kink within the step spoils the difference, not the gradient
    slope = sum(float((direction[name] * grads[name]).sum()) for name in grads)
    size = sum(float((direction[name] * grads[name]).abs().sum()) for name in grads)
    step = 1e-5
    assert abs((loss(step) - loss(-step)) / (2 * step) - slope) <= 1e-5 * size + 1e-7


def test_a_forward_pass_is_forgotten_with_its_logits():
    """No reference cycle: a training loop would keep the activations of every step until the collector comes by."""
    network = PUBLISHED[1]
    weights = {name: value.clone() for name, value in network.weights.items()}
    weights["unembed.W_U"].requires_grad_()
    gc.collect()
    gc.disable()
    try:
        logits = Engine(network.config, network.task).answer_logits(weights, torch.arange(4))
        gone = weakref.ref(logits)
        del logits
        assert gone() is None
    finally:
        gc.enable()
