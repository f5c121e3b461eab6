"""A network of one number as its linear pieces against the same network of torch layers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from grokscope.optimizers.piecewise import ScalarNetwork, gradient_of_sum, pieces
from grokscope.optimizers.transforms.neuralgrok import initial_amplifier

LAYERS = {"0.weight": "w1", "0.bias": "b1", "2.weight": "W2", "2.bias": "b2", "4.weight": "w3", "4.bias": "b3"}


def dense(network: ScalarNetwork) -> nn.Sequential:
    """nn.Linear and nn.ReLU that hold the parameters of a ScalarNetwork."""
    width = len(network.w1)
    layers = nn.Sequential(nn.Linear(1, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))
    layers.double()
    shapes = {name: value.shape for name, value in layers.state_dict().items()}
    layers.load_state_dict({name: network.parameters[ours].reshape(shapes[name]) for name, ours in LAYERS.items()})
    return layers


def _points(low: float, high: float, seed: int) -> torch.Tensor:
    """Uniform ones, both ends, and small ones of either sign: gradients span many powers of ten."""
    source = torch.Generator().manual_seed(seed)
    uniform = low + (high - low) * torch.rand(400, generator=source, dtype=torch.float64)
    small = 10 ** torch.linspace(-40, 0, 100, dtype=torch.float64)
    found = torch.cat([uniform, small, -small, uniform.new_tensor([low, high, 0.0])])
    return found[(found >= low) & (found <= high)]


reaches = st.sampled_from([1e-6, 0.3, 20.0, 1e6])


@given(st.integers(1, 24), st.integers(0, 2**20), reaches, reaches)
def test_pieces_evaluate_to_what_the_layers_do(width, seed, below, above):
    network = initial_amplifier(width, seed)
    x = _points(-below, above, seed)
    found = pieces(network, float(x.min()), float(x.max()))
    expected = dense(network)(x[:, None])[:, 0]
    ours = found.evaluate(x, found.of(x))
    # A piece is known at its middle: rounding is of phi there, which grows with the largest argument and not with x.
    assert float((ours - expected).detach().abs().max()) < 1e-12 * (1 + max(below, above))


def test_pieces_of_the_published_width_evaluate_to_what_the_layers_do():
    network = initial_amplifier(128, 0)
    x = _points(-3.0, 5.0, 0)
    found = pieces(network, -3.0, 5.0)
    torch.testing.assert_close(found.evaluate(x, found.of(x)), dense(network)(x[:, None])[:, 0], rtol=1e-12, atol=1e-12)
    assert bool((found.breaks[1:] >= found.breaks[:-1]).all())
    assert len(found.middle) == len(found.value) == len(found.slope) == len(found.breaks) + 1


def test_points_on_either_side_of_every_breakpoint_are_evaluated_right():
    network = initial_amplifier(32, 5)
    breaks = pieces(network, -10.0, 10.0).breaks
    up, down = (torch.nextafter(breaks, torch.full_like(breaks, end)) for end in (10.0, -10.0))
    x = torch.cat([breaks, up, down])
    found = pieces(network, -10.0, 10.0)
    torch.testing.assert_close(found.evaluate(x, found.of(x)), dense(network)(x[:, None])[:, 0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("value", [0.0, 1e-30, -4.0])
def test_numbers_that_are_all_the_same_are_evaluated(value):
    network = initial_amplifier(16, 1)
    x = torch.full((5,), value, dtype=torch.float64)
    found = pieces(network, value, value)
    torch.testing.assert_close(found.evaluate(x, found.of(x)), dense(network)(x[:, None])[:, 0], rtol=1e-12, atol=1e-13)


def test_units_without_input_or_output_weights_are_evaluated():
    """Division by a weight of zero: a unit that never changes sign has no breakpoint."""
    network = initial_amplifier(8, 2)
    network.w1[:3] = 0.0
    network.b1[0] = 0.0
    network.W2[4] = 0.0
    network.b2[4] = 0.0
    x = _points(-2.0, 2.0, 3)
    found = pieces(network, -2.0, 2.0)
    torch.testing.assert_close(found.evaluate(x, found.of(x)), dense(network)(x[:, None])[:, 0], rtol=1e-12, atol=1e-13)


@given(st.integers(1, 24), st.integers(0, 2**20), st.sampled_from([1e-3, 1.0, 50.0]))
def test_the_gradient_of_a_weighted_sum_is_that_of_the_layers(width, seed, reach):
    network = initial_amplifier(width, seed)
    x = _points(-reach, reach, seed)
    weight = torch.randn(len(x), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = pieces(network, -reach, reach)
    ours = gradient_of_sum(network, found, x, found.of(x), weight)
    layers = dense(network)
    (weight * layers(x[:, None])[:, 0]).sum().backward()
    for name, parameter in layers.named_parameters():
        expected = parameter.grad.reshape(ours[LAYERS[name]].shape)
        # A sum of 600 terms in another order.
        torch.testing.assert_close(ours[LAYERS[name]], expected, rtol=1e-11, atol=1e-12 * (1 + reach) * len(x))


def test_value_and_slope_are_those_of_the_layers():
    network = initial_amplifier(16, 3)
    x = torch.linspace(-3, 3, 101, dtype=torch.float64).requires_grad_()
    expected = dense(network)(x[:, None])[:, 0]
    (slopes,) = torch.autograd.grad(expected.sum(), x)
    value, slope = network.value_and_slope(x.detach())
    torch.testing.assert_close(value, expected.detach(), rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(slope, slopes, rtol=1e-13, atol=1e-14)


def test_the_amplifier_is_drawn_as_torch_draws_layers_and_by_the_seed_alone():
    network = initial_amplifier(128, 0)
    for name, fan_in in (("w1", 1), ("b1", 1), ("W2", 128), ("b2", 128), ("w3", 128), ("b3", 128)):
        value, bound = network.parameters[name], fan_in**-0.5
        assert value.dtype == torch.float64
        assert float(value.abs().max()) <= bound
        if value.numel() > 1:
            # Uniform in +-bound: its standard deviation is bound / sqrt(3), to 10% in 128 draws.
            assert float(value.std()) == pytest.approx(bound / 3**0.5, rel=0.15)
    again, other = initial_amplifier(128, 0), initial_amplifier(128, 1)
    assert all(torch.equal(network.parameters[n], again.parameters[n]) for n in network.parameters)
    assert not any(torch.equal(network.parameters[n], other.parameters[n]) for n in network.parameters)
