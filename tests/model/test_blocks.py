"""What the network computes, against torch's own layers and against a plain `HookedTransformer`."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grokscope.config import ModelConfig, TaskConfig
from grokscope.model import build_model, is_buffer, load_model
from grokscope.tasks import build_task
from tests.model.reference import from_decoder, to_decoder
from tests.model.strategies import Network, networks, random_weights
from tests.model.test_parameters import plain_hooked_transformer


@settings(max_examples=40)
@given(networks(dtype="float64"), st.booleans())
def test_logits_at_every_position_equal_those_of_torch_layers(network: Network, batch_first: bool):
    task, weights = network.task, network.weights
    model = load_model(network.config, task, weights)
    decoder = to_decoder(network.config, task, weights, batch_first)
    difference = (model(task.tokens) - decoder(task.tokens)).abs().max()
    assert difference <= 1e-11 * decoder(task.tokens).abs().max()


@settings(max_examples=10)
@given(networks(dtype="float64"))
def test_weights_come_back_from_torch_layers_as_they_went_in(network: Network):
    weights = network.weights
    back = from_decoder(network.config, to_decoder(network.config, network.task, weights))
    assert all(torch.equal(weights[name], value) for name, value in back.items())
    assert set(back) == {name for name in weights if not is_buffer(name)}


@settings(max_examples=15)
@given(networks().filter(lambda n: n.config.residual == "pre_ln"))
def test_pre_ln_is_bit_for_bit_a_plain_hooked_transformer(network: Network):
    task, weights = network.task, network.weights
    plain = plain_hooked_transformer(network.config, task)
    plain.load_state_dict(weights)
    ours = load_model(network.config, task, weights)
    logits, cache = ours.run_with_cache(task.tokens)
    expected, expected_cache = plain.eval().run_with_cache(task.tokens)
    assert torch.equal(logits, expected)
    assert list(cache) == list(expected_cache)
    assert all(torch.equal(cache[name], expected_cache[name]) for name in cache)


@pytest.mark.lens
@pytest.mark.parametrize("normalization", ["LN", "none"])
def test_the_residuals_differ_exactly_where_there_is_a_layer_norm(normalization):
    task = build_task(TaskConfig(name="add", modulus=5))
    config = {"n_layers": 2, "d_model": 8, "n_heads": 2, "d_mlp": 16, "normalization": normalization}
    weights = random_weights(ModelConfig(**config), task, 0)
    models = [load_model(ModelConfig(**config, residual=r), task, weights) for r in ("normed", "pre_ln")]
    assert torch.allclose(*(model(task.tokens) for model in models)) == (normalization == "none")


@pytest.mark.lens
def test_activations_of_the_normed_block_add_up():
    task = build_task(TaskConfig(name="add", modulus=5))
    config = ModelConfig(n_layers=2, d_model=8, n_heads=2, d_mlp=16, residual="normed", dtype="float64")
    weights = random_weights(config, task, 0)
    _, cache = load_model(config, task, weights).run_with_cache(task.tokens)
    for layer in (0, 1):
        at = f"blocks.{layer}."
        x = torch.nn.functional.layer_norm(
            cache[at + "hook_resid_pre"], (8,), weights[at + "ln1.w"], weights[at + "ln1.b"], 1e-5
        )
        torch.testing.assert_close(cache[at + "hook_resid_mid"], x + cache[at + "hook_attn_out"])
        torch.testing.assert_close(
            cache[at + "hook_resid_post"], cache[at + "hook_resid_mid"] + cache[at + "hook_mlp_out"]
        )
        # Attention reads that same x: no second LayerNorm.
        q = torch.einsum("bpd,hde->bphe", x, weights[at + "attn.W_Q"]) + weights[at + "attn.b_Q"]
        torch.testing.assert_close(cache[at + "attn.hook_q"], q)
    torch.testing.assert_close(cache["blocks.1.hook_resid_pre"], cache["blocks.0.hook_resid_post"])


def test_look_ups_have_the_gradient_of_indexing_in_a_fixed_order():
    task = build_task(TaskConfig(name="add", modulus=5))
    config = ModelConfig(n_layers=1, d_model=8, n_heads=2, d_mlp=16, dtype="float64")
    model = build_model(config, task)
    model.load_state_dict(random_weights(config, task, 0))
    probe = torch.randn(*task.tokens.shape, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    embedded = model.embed(task.tokens)
    # Not indexing, whose backward adds in an order that depends on the threads (seen only now and then).
    assert embedded.grad_fn.name() == "EmbeddingBackward0"
    (grad,) = torch.autograd.grad((embedded * probe).sum(), model.embed.W_E)
    expected = torch.zeros_like(grad).index_put_((task.tokens,), probe, accumulate=True)
    torch.testing.assert_close(grad, expected)
