"""Names, shapes and groups of parameters against a real `HookedTransformer`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grokscope.config import ConfigError, ModelConfig, TaskConfig
from grokscope.model import (
    DECODER,
    ROLES,
    build_model,
    in_scope,
    initial_weights,
    is_buffer,
    parameter_shapes,
    role,
    trained_names,
)
from grokscope.tasks import Task, build_task
from tests.model.strategies import Network, networks

if TYPE_CHECKING:
    from transformer_lens import HookedTransformer

TASK = build_task(TaskConfig(name="add", modulus=5))


def plain_hooked_transformer(config: ModelConfig, task: Task) -> HookedTransformer:
    """What a user of TransformerLens 3.9 would build, without any of our code."""
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    cfg = HookedTransformerConfig(
        n_layers=config.n_layers,
        d_model=config.d_model,
        n_ctx=task.tokens.shape[1],
        d_head=config.d_model // config.n_heads if config.d_head is None else config.d_head,
        n_heads=config.n_heads,
        attn_only=config.attention_only,
        attention_dir=config.attention_dir,
        d_mlp=config.d_mlp,
        act_fn="relu" if config.activation == "quadratic" else config.activation,
        d_vocab=len(task.token_names),
        d_vocab_out=len(task.token_names) if config.output == "vocab" else task.n_answers,
        normalization_type="LN" if config.normalization == "LN" else None,
        dtype=torch.float64 if config.dtype == "float64" else torch.float32,
        device="cpu",
    )
    model = HookedTransformer(cfg)
    for block in model.blocks if config.activation == "quadratic" and not config.attention_only else ():
        block.mlp.act_fn = torch.square  # TransformerLens has no name for it
    return model


@settings(max_examples=25)
@given(networks())
def test_parameter_shapes_are_those_of_a_hooked_transformer_in_its_order(network: Network):
    model = plain_hooked_transformer(network.config, network.task)
    expected = [(name, tuple(value.shape)) for name, value in model.named_parameters()]
    assert list(parameter_shapes(network.config, network.task).items()) == expected


@settings(max_examples=15)
@given(networks())
def test_weights_are_a_state_dict_that_loads_strictly_on_both_sides(network: Network):
    ours = build_model(network.config, network.task)
    theirs = plain_hooked_transformer(network.config, network.task)
    weights = network.weights
    assert set(weights) == set(theirs.state_dict()) == set(ours.state_dict())
    ours.load_state_dict(weights, strict=True)
    theirs.load_state_dict(weights, strict=True)
    for name, value in theirs.state_dict().items():
        assert value.dtype == weights[name].dtype, name
        assert torch.equal(value, weights[name]), name


@settings(max_examples=15)
@given(networks())
def test_hook_names_are_those_of_the_standard_model(network: Network):
    ours = build_model(network.config, network.task)
    assert list(ours.hook_dict) == list(plain_hooked_transformer(network.config, network.task).hook_dict)
    assert all(point.name == name for name, point in ours.hook_dict.items())
    ours.load_state_dict(network.weights)
    logits, cache = ours.run_with_cache(network.task.tokens)
    assert torch.equal(logits, ours(network.task.tokens))
    for layer in range(network.config.n_layers):
        assert f"blocks.{layer}.hook_resid_post" in cache


@given(networks())
def test_groups_partition_the_parameters(network: Network):
    names = tuple(parameter_shapes(network.config, network.task))
    by_group = [in_scope(names, [group]) for group in ROLES]
    assert sorted(name for group in by_group for name in group) == sorted(names)
    assert in_scope(names, ["decoder"]) == in_scope(names, DECODER)
    edge = in_scope(names, ["embed", "unembed"])
    assert set(in_scope(names, ["decoder"])) == set(names) - set(edge)
    assert set(edge) == {"embed.W_E", "unembed.W_U", "unembed.b_U"}
    assert in_scope(names, []) == ()


GROUPS = {
    "attention": ["attn.W_Q", "attn.W_K", "attn.W_V", "attn.W_O"],
    "mlp": ["mlp.W_in", "mlp.W_out"],
    "ln": ["ln1.w", "ln2.w"],
    "biases": ["attn.b_Q", "attn.b_K", "attn.b_V", "attn.b_O", "mlp.b_in", "mlp.b_out", "ln1.b", "ln2.b"],
}


@pytest.mark.parametrize("group", ROLES)
def test_a_group_holds_what_its_name_says(group):
    shapes = parameter_shapes(ModelConfig(n_layers=2, d_model=4, n_heads=2), TASK)
    expected = {f"blocks.{layer}.{leaf}" for layer in (0, 1) for leaf in GROUPS.get(group, [])}
    expected |= {
        "ln_final": {"ln_final.w"},
        "biases": {"ln_final.b"},
        "pos_embed": {"pos_embed.W_pos"},
        "embed": {"embed.W_E"},
        "unembed": {"unembed.W_U", "unembed.b_U"},
    }.get(group, set())
    assert {name for name in shapes if role(name) == group} == expected


@given(st.lists(st.sampled_from([*ROLES, "decoder"])))
def test_a_scope_of_several_groups_is_their_union_in_parameter_order(scope):
    names = tuple(parameter_shapes(ModelConfig(n_layers=2, d_model=4, n_heads=2), TASK))
    chosen = {name for group in scope for name in in_scope(names, [group])}
    assert in_scope(names, scope) == tuple(name for name in names if name in chosen)


def test_an_unknown_group_or_parameter_is_refused():
    with pytest.raises(ConfigError, match=r"'atention'.*decoder.*attention"):
        in_scope(["embed.W_E"], ["atention"])
    with pytest.raises(ValueError, match=r"blocks\.0\.attn\.X.*has no role"):
        role("blocks.0.attn.X")


def test_buffers_are_in_no_scope():
    weights = initial_weights(ModelConfig(n_layers=1, d_model=4, n_heads=2), TASK, 0)
    buffers = {name for name in weights if is_buffer(name)}
    assert buffers == {"blocks.0.attn.mask", "blocks.0.attn.IGNORE"}
    assert not buffers & set(in_scope(weights, ROLES))


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("unembed_bias", [True, False])
@pytest.mark.parametrize("tied", [True, False])
def test_what_is_trained_follows_the_switches(biases, unembed_bias, tied):
    config = ModelConfig(n_layers=2, d_model=4, n_heads=2, biases=biases, unembed_bias=unembed_bias, tied=tied)
    names = tuple(parameter_shapes(config, TASK))
    off = {name for name in names if ".b" in name and name != "unembed.b_U"} if not biases else set()
    off |= {"unembed.b_U"} if not unembed_bias else set()
    off |= {"unembed.W_U"} if tied else set()
    assert set(trained_names(names, config)) == set(names) - off
    model = build_model(config, TASK)
    assert {name for name, p in model.named_parameters() if not p.requires_grad} == off
