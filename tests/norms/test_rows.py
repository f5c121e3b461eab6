"""Rows are those of torch's own layers: the same weights, clipped there along the last dimension, come out alike."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from grokscope.config import ConfigError, ModelConfig, NormConfig, TaskConfig
from grokscope.model import ROLES, Weights, in_scope, is_buffer, parameter_shapes
from grokscope.norms import clip_rows_, project_rows_, row_norms, start_rows_
from grokscope.tasks import build_task
from tests.model.reference import Decoder, from_decoder, to_decoder
from tests.model.strategies import Network, networks, random_weights

TASK = build_task(TaskConfig(name="add", modulus=5))
CONFIG = ModelConfig(n_layers=2, d_model=8, n_heads=2, d_mlp=12, unembed_bias=True)
NAMES = tuple(parameter_shapes(CONFIG, TASK))

scopes = st.lists(st.sampled_from([*ROLES, "decoder"]), min_size=1, max_size=4).map(tuple)
radii = st.floats(0.05, 5.0)

# How far a norm may exceed its bound: an entry is rounded once for the factor and once for the product, and a
# norm of n entries sums n rounded squares. 16 roundings are generous for the few dozen entries here.
ROOM = {torch.float32: 16 * 2**-24, torch.float64: 16 * 2**-53}


def _group_of(name: str, module: nn.Module) -> str:
    """The group of a parameter of the torch decoder, said without looking at ours."""
    if name.startswith(("embed.", "head.")):
        return "embed" if name.startswith("embed.") else "unembed"
    if name.startswith("position."):
        return "pos_embed"
    if name.endswith("bias"):
        return "biases"
    if isinstance(module, nn.LayerNorm):
        return "ln_final" if name.startswith("final.") else "ln"
    return "attention" if ".attention." in name else "mlp"


def _in_scope(decoder: Decoder, scope: tuple[str, ...]) -> list[nn.Parameter]:
    modules = dict(decoder.named_modules())
    chosen = []
    for name, parameter in decoder.named_parameters():
        group = _group_of(name, modules[name.rpartition(".")[0]])
        if group in scope or ("decoder" in scope and group not in ("embed", "unembed")):
            chosen.append(parameter)
    return chosen


@torch.no_grad()
def _clip_in_torch_layers(decoder: Decoder, max_norm: float, scope: tuple[str, ...]) -> None:
    for parameter in _in_scope(decoder, scope):
        norm = parameter.norm(dim=-1, keepdim=True)
        parameter.mul_((max_norm / norm.clamp(min=1e-30)).clamp(max=1.0))


@torch.no_grad()
def _project_in_torch_layers(decoder: Decoder, norm: float, scope: tuple[str, ...]) -> None:
    for parameter in _in_scope(decoder, scope):
        size = parameter.norm(dim=-1, keepdim=True)
        parameter.copy_(torch.where(size > 0, parameter / size * norm, parameter))


def _assert_same(ours: Weights, theirs: Weights) -> None:
    assert {name for name in ours if not is_buffer(name)} == set(theirs)
    for name, value in theirs.items():
        rtol = 4e-7 if value.dtype == torch.float32 else 1e-15
        torch.testing.assert_close(ours[name], value, rtol=rtol, atol=0, msg=name)


@settings(max_examples=40)
@given(networks(), radii, scopes)
def test_clip_agrees_with_nn_linear_rows(network: Network, max_norm: float, scope: tuple[str, ...]):
    config, task, weights = network.config, network.task, network.weights
    decoder = to_decoder(config, task, weights)
    clip_rows_(weights, max_norm, in_scope(weights, scope))
    _clip_in_torch_layers(decoder, max_norm, scope)
    _assert_same(weights, from_decoder(config, decoder))


@settings(max_examples=30)
@given(networks(), radii, scopes)
def test_projection_agrees_with_nn_linear_rows(network: Network, norm: float, scope: tuple[str, ...]):
    config, task, weights = network.config, network.task, network.weights
    decoder = to_decoder(config, task, weights)
    project_rows_(weights, norm, in_scope(weights, scope))
    _project_in_torch_layers(decoder, norm, scope)
    _assert_same(weights, from_decoder(config, decoder))


INIT_SCOPE = {"none": (), "all": tuple(ROLES), "edge": ("embed", "unembed")}
INIT_SCOPE["edge_ln"] = ("embed", "unembed", "ln_final")


@pytest.mark.parametrize("init_norm", [None, 3.0])
@pytest.mark.parametrize("max_norm", [None, 1.5])
@pytest.mark.parametrize("rows", INIT_SCOPE)
@settings(max_examples=6)
@given(network=networks(), scope=scopes)
def test_the_start_is_a_projection_and_then_one_clip(rows, max_norm, init_norm, network: Network, scope):
    if rows != "none" and init_norm is None and max_norm is None:
        return
    config, task, weights = network.config, network.task, network.weights
    decoder = to_decoder(config, task, weights)
    projection = {} if rows == "none" else {"init_rows": rows, "init_norm": init_norm}
    clip = {} if max_norm is None else {"max_norm": max_norm, "scope": scope}
    start_rows_(weights, NormConfig(**projection, **clip))
    if rows != "none":
        _project_in_torch_layers(decoder, init_norm or max_norm, INIT_SCOPE[rows])
    if max_norm is not None:
        _clip_in_torch_layers(decoder, max_norm, scope)
    _assert_same(weights, from_decoder(config, decoder))


def test_a_gain_of_128_ones_is_clipped_as_one_row():
    config = ModelConfig(n_layers=1, d_model=128, n_heads=4, d_mlp=4)
    weights: Weights = {name: torch.ones(shape) for name, shape in parameter_shapes(config, TASK).items()}
    assert math.isclose(float(row_norms("ln_final.w", weights["ln_final.w"])), math.sqrt(128), rel_tol=1e-6)
    clip_rows_(weights, 2.0, ["ln_final.w"])
    torch.testing.assert_close(weights["ln_final.w"], torch.full((128,), 2 / math.sqrt(128)))


# The table of DESIGN: shape -> how many rows, and how long.
ROWS = {
    "embed.W_E": ((7, 8), 7, 8),
    "pos_embed.W_pos": ((4, 8), 4, 8),
    "blocks.0.attn.W_Q": ((2, 8, 4), 8, 8),
    "blocks.0.attn.W_K": ((2, 8, 4), 8, 8),
    "blocks.0.attn.W_V": ((2, 8, 4), 8, 8),
    "blocks.0.attn.W_O": ((2, 4, 8), 8, 8),
    "blocks.0.mlp.W_in": ((8, 12), 12, 8),
    "blocks.0.mlp.W_out": ((12, 8), 8, 12),
    "unembed.W_U": ((8, 7), 7, 8),
    "unembed.b_U": ((7,), 1, 7),
    "blocks.0.ln1.w": ((8,), 1, 8),
    "blocks.0.ln1.b": ((8,), 1, 8),
    "ln_final.w": ((8,), 1, 8),
    "blocks.0.attn.b_O": ((8,), 1, 8),
    "blocks.0.mlp.b_in": ((12,), 1, 12),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_have_the_number_and_length_of_the_design_table(name):
    shape, number, length = ROWS[name]
    assert parameter_shapes(CONFIG, TASK)[name] == shape
    norms = row_norms(name, torch.ones(shape))
    assert norms.numel() == number
    torch.testing.assert_close(norms, torch.full_like(norms, math.sqrt(length)))
    assert torch.broadcast_shapes(norms.shape, shape) == shape


@given(networks(), radii, scopes)
@settings(max_examples=40)
def test_after_a_clip_no_row_in_scope_exceeds_the_bound(network: Network, max_norm: float, scope: tuple[str, ...]):
    weights = network.weights
    clip_rows_(weights, max_norm, in_scope(weights, scope))
    decoder = to_decoder(network.config, network.task, weights)
    for parameter in _in_scope(decoder, scope):
        norms = parameter.detach().double().norm(dim=-1)
        assert float(norms.max()) <= max_norm * (1 + ROOM[parameter.dtype])


@given(networks(), radii, scopes)
@settings(max_examples=40)
def test_rows_inside_the_ball_and_parameters_out_of_scope_keep_every_bit(network: Network, max_norm: float, scope):
    weights = network.weights
    before = {name: value.clone() for name, value in weights.items()}
    names = in_scope(weights, scope)
    clip_rows_(weights, max_norm, names)
    for name, value in weights.items():
        if name not in names:
            assert torch.equal(value, before[name])
        elif name.rpartition(".")[2] not in ("b_Q", "b_K", "b_V"):
            inside = (row_norms(name, before[name]) <= max_norm).expand(value.shape)
            assert torch.equal(value[inside], before[name][inside])
    # A bound that nothing reaches changes nothing at all; that covers the joint row of b_Q, b_K and b_V.
    clipped = {name: value.clone() for name, value in weights.items()}
    clip_rows_(weights, 1e6, names)
    assert all(torch.equal(weights[name], clipped[name]) for name in weights)


def test_biases_of_queries_keys_and_values_are_one_row_of_their_layer():
    weights = random_weights(CONFIG, TASK, 0)
    biases = [f"blocks.0.attn.b_{which}" for which in "QKV"]
    for name in biases:
        weights[name] = torch.full((2, 4), 1.0)
    other_layer = weights["blocks.1.attn.b_Q"].clone()
    clip_rows_(weights, 4.0, [*biases, "blocks.1.attn.b_Q"])
    # 24 ones have norm 4.9 together, 2.8 in each parameter alone.
    for name in biases:
        torch.testing.assert_close(weights[name], torch.full((2, 4), 4.0 / math.sqrt(24)))
    assert torch.equal(weights["blocks.1.attn.b_Q"], other_layer)


@given(networks(dtype="float64"), radii)
@settings(max_examples=15)
def test_clipping_and_projecting_twice_is_doing_it_once(network: Network, norm: float):
    for change in (clip_rows_, project_rows_):
        weights = network.weights
        names = in_scope(weights, ROLES)
        change(weights, norm, names)
        once = {name: weights[name].clone() for name in names}
        change(weights, norm, names)
        for name in names:
            torch.testing.assert_close(weights[name], once[name], rtol=1e-14, atol=0)


@given(networks(dtype="float64"), radii)
@settings(max_examples=15)
def test_projected_rows_have_exactly_the_norm_and_keep_their_direction(network: Network, norm: float):
    weights = network.weights
    before = {name: value.clone() for name, value in weights.items()}
    names = [n for n in in_scope(weights, ROLES) if n.rpartition(".")[2] not in ("b_Q", "b_K", "b_V")]
    project_rows_(weights, norm, names)
    for name in names:
        norms = row_norms(name, weights[name])
        expected = norm * (row_norms(name, before[name]) > 0).double()
        torch.testing.assert_close(norms, expected, rtol=1e-14, atol=0)
        torch.testing.assert_close(weights[name] * row_norms(name, before[name]), before[name] * norms)


@pytest.mark.parametrize("change", [clip_rows_, project_rows_])
def test_rows_of_zeros_stay_zero(change):
    weights = random_weights(CONFIG, TASK, 0)
    weights["blocks.0.mlp.W_in"][:, 3] = 0
    for name in ("blocks.0.attn.b_Q", "blocks.0.attn.b_K", "blocks.0.attn.b_V", "ln_final.w"):
        weights[name].zero_()
    change(weights, 0.5, NAMES)
    assert all(bool(value.isfinite().all()) for name, value in weights.items() if not is_buffer(name))
    assert (weights["blocks.0.mlp.W_in"][:, 3] == 0).all()
    assert (weights["ln_final.w"] == 0).all()
    assert (weights["blocks.0.attn.b_K"] == 0).all()


@pytest.mark.parametrize("change", [clip_rows_, project_rows_])
def test_rows_change_in_place_and_outside_autograd(change):
    weights = random_weights(CONFIG, TASK, 0)
    trained = {n: v.requires_grad_() if not is_buffer(n) else v for n, v in weights.items()}
    pointers = {name: value.data_ptr() for name, value in trained.items()}
    tensors = dict(trained)
    change(trained, 0.5, NAMES)
    assert all(trained[name] is tensors[name] for name in trained)
    assert {name: value.data_ptr() for name, value in trained.items()} == pointers
    assert all(value.grad_fn is None for value in trained.values())


@pytest.mark.parametrize("bound", [0, -1.0, float("nan")])
def test_a_bound_that_is_not_positive_is_refused(bound):
    weights = random_weights(CONFIG, TASK, 0)
    with pytest.raises(ConfigError, match=r"norms\.max_norm"):
        clip_rows_(weights, bound, NAMES)
    with pytest.raises(ConfigError, match=r"norms\.init_norm"):
        project_rows_(weights, bound, NAMES)


def test_norms_of_a_parameter_that_does_not_exist_are_refused():
    with pytest.raises(ValueError, match=r"blocks\.0\.attn\.W_X"):
        row_norms("blocks.0.attn.W_X", torch.ones(3))
