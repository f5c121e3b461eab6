"""Initial weights: what torch's layers, or TransformerLens, would draw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from grokscope.config import ModelConfig, TaskConfig
from grokscope.model import Weights, initial_weights, is_buffer, parameter_shapes
from grokscope.tasks import build_task, generator
from tests.model.strategies import Network, networks
from tests.model.test_parameters import plain_hooked_transformer

TASK = build_task(TaskConfig(name="add", modulus=61))
CONFIG = ModelConfig(n_layers=1, d_model=48, n_heads=4, d_mlp=112, unembed_bias=True)


def _torch_draws(config: ModelConfig, seed: int) -> dict[str, torch.Tensor]:
    """What the layers themselves draw, under our names (entries only: shapes are theirs)."""
    d, m, out = config.d_model, config.d_mlp, TASK.d_vocab
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        attention, norm = nn.MultiheadAttention(d, config.n_heads), nn.LayerNorm(d)
        up, down, head = nn.Linear(d, m), nn.Linear(m, d), nn.Linear(d, out)
        embed, position = nn.Embedding(TASK.d_vocab, d), nn.Embedding(TASK.n_positions, d)
    q, k, v = attention.in_proj_weight.split(d)
    b_q, b_k, b_v = attention.in_proj_bias.split(d)
    block = {
        "attn.W_Q": q, "attn.W_K": k, "attn.W_V": v, "attn.W_O": attention.out_proj.weight,
        "attn.b_Q": b_q, "attn.b_K": b_k, "attn.b_V": b_v, "attn.b_O": attention.out_proj.bias,
        "mlp.W_in": up.weight, "mlp.b_in": up.bias, "mlp.W_out": down.weight, "mlp.b_out": down.bias,
        "ln1.w": norm.weight, "ln1.b": norm.bias, "ln2.w": norm.weight, "ln2.b": norm.bias,
    }  # fmt: skip
    draws = {f"blocks.0.{name}": value for name, value in block.items()}
    draws |= {"embed.W_E": embed.weight, "pos_embed.W_pos": position.weight, "ln_final.w": norm.weight}
    draws |= {"ln_final.b": norm.bias, "unembed.W_U": head.weight, "unembed.b_U": head.bias}
    return {name: value.detach().flatten() for name, value in draws.items()}


@pytest.mark.parametrize("name", parameter_shapes(CONFIG, TASK))
def test_torch_init_draws_what_torch_layers_draw(name):
    ours = np.concatenate([initial_weights(CONFIG, TASK, seed)[name].flatten() for seed in range(8)])
    theirs = np.concatenate([_torch_draws(CONFIG, seed)[name] for seed in range(8)])
    assert ours.shape == theirs.shape
    if theirs.std() == 0:
        assert (ours == theirs[0]).all()
        return
    # Seeds are fixed, so this does not fail by chance; a wrong bound or law would give p < 1e-10.
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3


def _bounds(config: ModelConfig) -> dict[str, float]:
    """1/sqrt(fan_in), and Xavier's sqrt(6 / (fan_in + fan_out)) of the joint [3 d, d] input projection."""
    d, m = config.d_model, config.d_mlp
    linear = {"W_O": d, "W_in": d, "b_in": d, "W_out": m, "b_out": m, "W_U": d, "b_U": d}
    xavier = dict.fromkeys(("W_Q", "W_K", "W_V"), (6 / (3 * d + d)) ** 0.5)
    return {leaf: fan_in**-0.5 for leaf, fan_in in linear.items()} | xavier


@pytest.mark.parametrize("name", parameter_shapes(CONFIG, TASK))
def test_torch_init_has_the_law_that_torch_documents(name):
    value = np.concatenate([initial_weights(CONFIG, TASK, seed)[name].double().flatten() for seed in range(8)])
    leaf, bounds = name.rpartition(".")[2], _bounds(CONFIG)
    if leaf in bounds:
        assert abs(value).max() <= bounds[leaf] * (1 + 1e-6)
        assert stats.kstest(value, stats.uniform(-bounds[leaf], 2 * bounds[leaf]).cdf).pvalue > 1e-3
    elif leaf in ("W_E", "W_pos"):
        assert stats.kstest(value, "norm").pvalue > 1e-3
    else:
        assert (value == (1.0 if leaf == "w" else 0.0)).all()


def test_entries_of_different_parameters_are_independent():
    weights = initial_weights(replace(CONFIG, n_layers=2), TASK, 0)
    drawn = {n: v.flatten() for n, v in weights.items() if not is_buffer(n) and v.numel() > 1000 and v.std() > 0}
    assert len(drawn) == 14
    values = list(drawn.values())
    for i, first in enumerate(values):
        for second in values[:i]:
            n = min(len(first), len(second))
            assert abs(np.corrcoef(first[:n], second[:n])[0, 1]) < 5 / np.sqrt(n)


@settings(max_examples=10)
@given(networks(), st.integers(0, 2**31 - 1))
def test_hooked_init_is_what_transformer_lens_draws_from_the_same_generator(network: Network, seed: int):
    config = replace(network.config, init="hooked")
    ours = initial_weights(config, network.task, seed)
    with torch.random.fork_rng():
        model = plain_hooked_transformer(replace(config, dtype="float32"), network.task)
        torch.random.set_rng_state(generator(seed, "weights").get_state())
        model.init_weights()
    drawn = dict(model.named_parameters())
    if config.tied:
        drawn["unembed.W_U"] = drawn["embed.W_E"].T[:, : model.cfg.d_vocab_out]
    for name, value in drawn.items():
        assert torch.equal(ours[name], value.to(ours[name].dtype)), name


def test_hooked_init_has_the_law_that_transformer_lens_documents():
    weights = initial_weights(replace(CONFIG, init="hooked"), TASK, 0)
    for name, value in weights.items():
        if ".W_" in name:
            assert stats.kstest(value.flatten(), stats.norm(scale=0.8 / CONFIG.d_model**0.5).cdf).pvalue > 1e-3, name
        elif not is_buffer(name):
            assert (value == float(name.endswith(".w"))).all(), name


@settings(max_examples=10)
@given(networks(), st.integers(0, 2**31 - 1))
def test_the_global_generator_is_neither_used_nor_moved(network: Network, seed: int):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        before = torch.random.get_rng_state()
        first = initial_weights(network.config, network.task, seed)
        assert torch.equal(before, torch.random.get_rng_state())
        torch.manual_seed(2)
        second = initial_weights(network.config, network.task, seed)
    assert _equal(first, second)


def _equal(first: Weights, second: Weights, names: set[str] | None = None) -> bool:
    assert set(first) == set(second)
    return all(torch.equal(first[name], second[name]) for name in names or first)


@pytest.mark.parametrize("init", ["torch", "hooked"])
def test_seeds_differ(init):
    first, second = (initial_weights(replace(CONFIG, init=init), TASK, seed) for seed in (0, 1))
    drawn = [n for n, v in first.items() if not is_buffer(n) and v.std() > 0]
    assert drawn
    assert not any(torch.equal(first[name], second[name]) for name in drawn)


@pytest.mark.parametrize("init", ["torch", "hooked"])
@pytest.mark.parametrize("switch", ["biases", "unembed_bias"])
def test_a_bias_that_is_switched_off_is_zero_and_changes_no_other_weight(init, switch):
    config = replace(CONFIG, init=init, n_layers=2)
    on, off = (initial_weights(replace(config, **{switch: value}), TASK, 0) for value in (True, False))
    all_biases = {name for name in on if name.rpartition(".")[2].startswith("b")}
    concerned = {"unembed.b_U"} if switch == "unembed_bias" else all_biases - {"unembed.b_U"}
    assert concerned
    assert _equal(on, off, set(on) - concerned)
    assert all((off[name] == 0).all() for name in concerned)


@pytest.mark.parametrize("init", ["torch", "hooked"])
def test_float64_starts_from_the_numbers_of_float32(init):
    single, double = (initial_weights(replace(CONFIG, init=init, dtype=d), TASK, 0) for d in ("float32", "float64"))
    for name, value in single.items():
        if not is_buffer(name):
            assert double[name].dtype == torch.float64
            assert torch.equal(value.double(), double[name])


@pytest.mark.parametrize("change", [{"activation": "relu"}, {"residual": "pre_ln"}])
def test_choices_without_parameters_leave_the_draws_alone(change):
    assert _equal(initial_weights(CONFIG, TASK, 0), initial_weights(replace(CONFIG, **change), TASK, 0))
