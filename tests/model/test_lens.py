"""The network as TransformerLens has it, whichever version is installed, against formulas and the engine."""

from __future__ import annotations

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings

from grokscope.config import ModelConfig, TaskConfig
from grokscope.engine import Engine
from grokscope.model import build_model, dtype_of, initial_weights, load_model
from grokscope.tasks import build_task
from tests.model.plain_hooks import plain_hooks
from tests.model.strategies import Network, networks, random_weights

pytestmark = pytest.mark.lens

TASK = build_task(TaskConfig(name="add", modulus=5))
SIZES = {"n_layers": 2, "d_model": 12, "n_heads": 3, "d_mlp": 20}
TOLERANCE = {"float32": 2e-5, "float64": 1e-11}
"""Relative to the largest entry: what is promised of the engine too."""


def _agree(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float) -> bool:
    assert ours.shape == theirs.shape
    hidden = theirs.isinf()  # scores of positions that are not seen
    scale = max(1.0, float(theirs[~hidden].abs().max()))
    return torch.equal(ours.isinf(), hidden) and bool(
        (ours[~hidden].double() - theirs[~hidden]).abs().max() <= tolerance * scale
    )


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("residual", "normalization"), list(product(["normed", "pre_ln"], ["LN", "none"])))
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"activation": "relu", "output": "answers"},
        {"activation": "quadratic", "biases": False},
        {"activation": "silu", "d_head": 5, "attention_dir": "bidirectional"},
        {"activation": "gelu_new", "tied": True},
        {"attention_only": True, "attention_dir": "bidirectional"},
    ],
)
def test_logits_and_every_activation_are_those_of_the_formulas(dtype, residual, normalization, change):
    config = ModelConfig(
        **SIZES, dtype=dtype, residual=residual, normalization=normalization, unembed_bias=not change, **change
    )
    weights = random_weights(config, TASK, 0)
    logits, cache = load_model(config, TASK, weights).run_with_cache(TASK.tokens)
    expected, activations = plain_hooks(config, weights, TASK.tokens)
    assert logits.dtype == dtype_of(config)
    # Squares of squares grow where nothing normalises them.
    tolerance = TOLERANCE[dtype] * (100 if change.get("activation") == "quadratic" else 1)
    assert _agree(logits.detach(), expected, tolerance)
    of_a_layer, of_a_norm = (9, 2) if config.attention_only else (13, 4)
    assert len(activations) == 2 + 2 * of_a_layer + (2 * of_a_norm + 2 if normalization == "LN" else 0)
    wrong = [name for name, value in activations.items() if not _agree(cache[name].detach(), value, tolerance)]
    assert wrong == []


@settings(max_examples=15)
@given(networks(max_layers=2))
def test_answers_are_those_of_the_engine(network: Network):
    config, task, weights = network.config, network.task, network.weights
    logits = load_model(config, task, weights)(task.tokens)[:, -1].detach()
    engine = Engine(config, task).answer_logits(weights, torch.arange(task.n_examples))
    assert logits.dtype == engine.dtype
    assert _agree(logits, engine.double(), TOLERANCE[config.dtype] * (100 if config.activation == "quadratic" else 1))


@pytest.mark.parametrize("residual", ["normed", "pre_ln"])
@pytest.mark.parametrize(
    "name",
    ["hook_resid_pre", "ln1.hook_normalized", "attn.hook_q", "attn.hook_attn_scores", "attn.hook_pattern",
     "attn.hook_v", "attn.hook_z", "hook_attn_out", "hook_resid_mid", "ln2.hook_normalized", "mlp.hook_pre",
     "mlp.hook_post", "hook_mlp_out", "hook_resid_post"],
)  # fmt: skip
def test_a_hook_changes_what_is_computed_from_there_on(residual, name):
    config = ModelConfig(**{**SIZES, "n_layers": 1}, residual=residual)
    model = load_model(config, TASK, random_weights(config, TASK, 0))
    plain = model(TASK.tokens)
    hook = (f"blocks.0.{name}", lambda value, hook: value + torch.linspace(0, 1, value.shape[-1]))
    assert not torch.allclose(plain, model.run_with_hooks(TASK.tokens, fwd_hooks=[hook]), atol=1e-4)
    assert torch.equal(plain, model(TASK.tokens))


def test_changed_scores_give_the_pattern_of_the_changed_scores():
    config = ModelConfig(**{**SIZES, "n_layers": 1})
    model = load_model(config, TASK, random_weights(config, TASK, 0))
    seen = {}
    model.run_with_hooks(
        TASK.tokens,
        fwd_hooks=[
            ("blocks.0.attn.hook_attn_scores", lambda scores, hook: 3 * scores),
            ("blocks.0.attn.hook_pattern", lambda pattern, hook: seen.update(pattern=pattern)),
        ],
    )
    _, cache = model.run_with_cache(TASK.tokens)
    expected = torch.softmax(3 * cache["blocks.0.attn.hook_attn_scores"], -1)
    torch.testing.assert_close(seen["pattern"], expected)


def test_the_gradient_with_respect_to_embeddings_is_the_engine_s():
    config = ModelConfig(**SIZES, dtype="float64")
    weights = random_weights(config, TASK, 0)
    model = load_model(config, TASK, weights)
    loss = F.cross_entropy(model(TASK.tokens)[:, -1], TASK.labels)
    gradients = torch.autograd.grad(loss, [model.embed.W_E, model.pos_embed.W_pos])
    leaves = {name: weights[name].clone().requires_grad_() for name in ("embed.W_E", "pos_embed.W_pos")}
    logits = Engine(config, TASK).answer_logits(weights | leaves, torch.arange(TASK.n_examples))
    expected = torch.autograd.grad(F.cross_entropy(logits, TASK.labels), list(leaves.values()))
    for ours, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_matrices_have_the_names_and_shapes_of_the_weights(dtype):
    config = ModelConfig(**SIZES, dtype=dtype, unembed_bias=True)
    weights = random_weights(config, TASK, 0)
    model = load_model(config, TASK, weights)
    for name in ("embed.W_E", "pos_embed.W_pos", "unembed.W_U", "unembed.b_U", "ln_final.w", "ln_final.b"):
        assert torch.equal(getattr(model.get_submodule(name.split(".")[0]), name.split(".")[1]), weights[name]), name
    for layer, block in enumerate(model.blocks):
        for part, leaves in {
            "attn": ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V", "b_O"),
            "mlp": ("W_in", "b_in", "W_out", "b_out"), "ln1": ("w", "b"), "ln2": ("w", "b"),
        }.items():  # fmt: skip
            for leaf in leaves:
                name = f"blocks.{layer}.{part}.{leaf}"
                assert torch.equal(getattr(getattr(block, part), leaf), weights[name]), name


def test_a_loaded_model_is_a_copy_in_evaluation_mode():
    config = ModelConfig(**SIZES)
    weights = random_weights(config, TASK, 0)
    before = {name: value.clone() for name, value in weights.items()}
    model = load_model(config, TASK, weights)
    assert not any(module.training for module in model.modules())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert all(torch.equal(weights[name], value) for name, value in before.items())


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("unembed_bias", [True, False])
def test_biases_that_are_switched_off_take_no_gradient(biases, unembed_bias):
    config = ModelConfig(**{**SIZES, "n_layers": 1}, biases=biases, unembed_bias=unembed_bias)
    model = build_model(config, TASK)
    # embeddings and unembedding 3, attention 4, MLP 2, gains 3; biases: attention 4, MLP 2, LayerNorm 3
    assert sum(parameter.requires_grad for parameter in model.parameters()) == 12 + 9 * biases + unembed_bias


def test_building_a_model_prints_and_warns_nothing_and_draws_from_no_global_generator(capfd, recwarn):
    before = torch.random.get_rng_state()
    load_model(ModelConfig(**SIZES), TASK, initial_weights(ModelConfig(**SIZES), TASK, 0))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


@pytest.mark.parametrize("change", ["missing", "extra", "misshaped"])
def test_weights_that_do_not_fit_are_refused(change):
    config = ModelConfig(**SIZES)
    weights = random_weights(config, TASK, 0)
    if change == "missing":
        del weights["blocks.1.mlp.W_in"]
    elif change == "extra":
        weights["blocks.2.mlp.W_in"] = weights["blocks.1.mlp.W_in"]
    else:
        weights["blocks.1.mlp.W_in"] = weights["blocks.1.mlp.W_in"][:, :-1]
    with pytest.raises(RuntimeError, match=r"blocks\.[12]\.mlp|layers\.1\.\S*mlp"):
        load_model(config, TASK, weights)
