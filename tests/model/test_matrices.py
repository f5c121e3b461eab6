"""Every parameter as the matrix that it multiplies by, against the products that HookedTransformer computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from grokscope.config import ModelConfig, TaskConfig
from grokscope.model import as_matrix, from_matrix, is_matrix, load_model, role, trained_names, write_matrix_
from grokscope.norms import row_dims
from grokscope.optimizers import FlatParameters
from grokscope.tasks import build_task
from tests.model.reference import to_decoder
from tests.model.strategies import random_weights

if TYPE_CHECKING:
    from transformer_lens import HookedTransformer

CONFIG = ModelConfig(n_layers=1, d_model=12, n_heads=3, d_mlp=20, dtype="float64", unembed_bias=True)
TASK = build_task(TaskConfig(name="add", modulus=7))
WEIGHTS = random_weights(CONFIG, TASK, 0)
NAMES = trained_names(WEIGHTS, CONFIG)
MATRICES = [name for name in NAMES if is_matrix(name)]
VECTORS = [name for name in NAMES if not is_matrix(name)]
FLAT = FlatParameters(WEIGHTS, NAMES)
LAYOUTS = {"as shaped": WEIGHTS, "as in training": FLAT.views(FLAT.vector.detach())}
HEADS = ("joined", "per_head")
ATTN = "blocks.0.attn."


def _model() -> HookedTransformer:
    """A HookedTransformer of the weights whose biases are 0, so that its layers are products and nothing else."""
    weights = {name: torch.zeros_like(v) if name in VECTORS else v for name, v in WEIGHTS.items()}
    return load_model(CONFIG, TASK, weights)


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def _same(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    # Sums of at most 20 products of numbers near 1, in another order.
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)


def test_matrices_are_what_vectors_are_not():
    assert {role(name) for name in MATRICES} == {"embed", "pos_embed", "attention", "mlp", "unembed"}
    assert all(WEIGHTS[name].ndim >= 2 and not name.endswith(("b_Q", "b_K", "b_V")) for name in MATRICES)
    assert len(MATRICES) == 9
    assert {"unembed.b_U", f"{ATTN}b_Q", "ln_final.w", "blocks.0.ln1.b"} <= set(VECTORS)


@pytest.mark.lens
@pytest.mark.parametrize("heads", HEADS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_products_with_the_matrices_are_what_the_network_computes(layout, heads):
    """y = W x on random x, in every layer of one forward pass and in its own einsums."""
    weights, model = LAYOUTS[layout], _model()
    _, cache = model.run_with_cache(TASK.tokens[:6])
    matrix = {name: as_matrix(name, weights[name], heads) for name in MATRICES}
    one_hot = torch.nn.functional.one_hot(TASK.tokens[:6], TASK.d_vocab).double()
    _same(one_hot @ matrix["embed.W_E"].mT, cache["hook_embed"])
    positions = torch.eye(TASK.n_positions, dtype=torch.float64).expand(6, -1, -1)
    _same(positions @ matrix["pos_embed.W_pos"].mT, cache["hook_pos_embed"])
    x = _random(6, 12)
    for leaf in ("W_Q", "W_K", "W_V"):
        expected = torch.einsum("bd,hde->bhe", x, getattr(model.blocks[0].attn, leaf))
        joined = x @ matrix[ATTN + leaf].mT  # [b, (head d_head)] joined, [head, b, d_head] per head
        found = joined.unflatten(1, (3, 4)) if heads == "joined" else joined.transpose(0, 1)
        _same(found, expected)
    z = cache[f"{ATTN}hook_z"]
    if heads == "joined":
        attended = z.flatten(-2) @ matrix[f"{ATTN}W_O"].mT
    else:
        attended = (z.movedim(-2, 0) @ matrix[f"{ATTN}W_O"].mT[:, None]).sum(0)
    _same(attended, cache["blocks.0.hook_attn_out"])
    mlp = model.blocks[0].mlp
    _same(x @ matrix["blocks.0.mlp.W_in"].mT, x @ mlp.W_in)
    _same(cache["blocks.0.mlp.hook_post"] @ matrix["blocks.0.mlp.W_out"].mT, cache["blocks.0.hook_mlp_out"])
    _same(x @ matrix["unembed.W_U"].mT, model.unembed(x[:, None])[:, 0])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_joined_matrices_are_the_weights_of_torch_layers(layout):
    decoder, weights = to_decoder(CONFIG, TASK, WEIGHTS), LAYOUTS[layout]
    block = decoder.blocks[0]
    theirs = {"embed.W_E": decoder.embed.weight.T, "pos_embed.W_pos": decoder.position.weight.T}
    theirs |= dict(zip([f"{ATTN}W_{x}" for x in "QKV"], block.attention.in_proj_weight.split(12), strict=True))
    theirs |= {f"{ATTN}W_O": block.attention.out_proj.weight, "unembed.W_U": decoder.head.weight}
    theirs |= {"blocks.0.mlp.W_in": block.up.weight, "blocks.0.mlp.W_out": block.down.weight}
    assert set(theirs) == set(MATRICES)
    for name, value in theirs.items():
        assert torch.equal(as_matrix(name, weights[name]), value)


def test_a_row_of_the_matrix_is_the_row_that_is_clipped():
    for name in set(MATRICES) - {"embed.W_E", "pos_embed.W_pos"}:
        rows = as_matrix(name, WEIGHTS[name]).square().sum(1)
        _same(rows, WEIGHTS[name].square().sum(row_dims(name)).flatten())


@pytest.mark.parametrize("heads", HEADS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", MATRICES)
def test_writing_what_was_read_changes_nothing_and_another_matrix_is_read_back(name, layout, heads):
    value = LAYOUTS[layout][name].clone(memory_format=torch.preserve_format)
    matrix = as_matrix(name, value, heads).clone()
    write_matrix_(name, value, matrix, heads)
    assert torch.equal(value, WEIGHTS[name])
    other = _random(*matrix.shape)
    write_matrix_(name, value, other, heads)
    assert torch.equal(as_matrix(name, value, heads), other)


@pytest.mark.parametrize("name", MATRICES)
def test_in_the_memory_order_of_training_every_matrix_is_a_view(name):
    flat = FlatParameters(WEIGHTS, NAMES)
    for heads in HEADS:
        matrix = as_matrix(name, flat.weights[name].detach(), heads)
        with torch.no_grad():
            matrix.mul_(2.0)
        before = WEIGHTS[name] if heads == "joined" else 2 * WEIGHTS[name]
        assert torch.equal(flat.weights[name].detach(), 2 * before)


@pytest.mark.parametrize("heads", HEADS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", MATRICES)
def test_a_matrix_comes_back_in_the_shape_of_its_parameter(name, layout, heads):
    value = LAYOUTS[layout][name]
    assert torch.equal(from_matrix(name, as_matrix(name, value, heads), value.shape, heads), value)
    flipped = as_matrix(name, value, heads).clone(memory_format=torch.contiguous_format)
    assert torch.equal(from_matrix(name, flipped, value.shape, heads), value)


@pytest.mark.parametrize("name", MATRICES)
def test_a_view_starts_where_its_parameter_starts(name):
    """Parameters of one vector have the same shapes and strides, and are told apart by where they begin."""
    pair = torch.stack([WEIGHTS[name], 2 * WEIGHTS[name]])
    first, second = (as_matrix(name, value) for value in pair)
    assert torch.equal(second, 2 * first)


def test_heads_apart_are_slices_of_heads_joined():
    for leaf in ("W_Q", "W_K", "W_V", "W_O"):
        name = ATTN + leaf
        joined, apart = (as_matrix(name, WEIGHTS[name], heads) for heads in HEADS)
        assert torch.equal(joined, torch.cat(list(apart), dim=1 if leaf == "W_O" else 0))


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_are_refused_by_name(name):
    with pytest.raises(ValueError, match=rf"parameter '{name}' is no matrix: use one of W_E, W_pos, W_Q"):
        as_matrix(name, WEIGHTS[name])


def test_an_unknown_parameter_is_refused():
    with pytest.raises(ValueError, match=r"parameter 'blocks.0.attn.W_X' has no role"):
        as_matrix("blocks.0.attn.W_X", _random(2, 2))
