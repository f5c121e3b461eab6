"""Grokfast and OrthoGrad against loops over lists of numbers."""

from __future__ import annotations

import math

import pytest
import safetensors.torch
import torch

from grokscope.config import GradientConfig
from grokscope.optimizers import build_transform
from grokscope.optimizers.transforms.grokfast import AverageTransform, WindowTransform
from grokscope.optimizers.transforms.neuralgrok import AmplifierTransform
from grokscope.optimizers.transforms.orthograd import AcrossTransform, across_
from tests.optimizers.parameters import copies, flat_parameters, gradients, named_gradients

SETTINGS = {
    "grokfast_ema": {"alpha": 0.9, "lamb": 1.5},
    "grokfast_ma": {"window": 4, "lamb": 3.0},
    "orthograd": {},
    "neuralgrok": {"amplifier_width": 8},
    "neuralgrok frozen": {"amplifier_width": 8, "amplifier": "frozen"},
    "neuralgrok normalise": {"amplifier": "normalise"},
}


def _transform(name: str, flat, **settings):
    return build_transform(GradientConfig(name=name.partition(" ")[0], **settings), flat, seed=3)


def _ema(history: list[list[float]], alpha: float, lamb: float) -> list[list[float]]:
    """h_0 = g_0, h_t = alpha h_(t-1) + (1 - alpha) g_t; g_t + lamb h_t."""
    out, h = [], None
    for g in history:
        h = list(g) if h is None else [alpha * a + (1 - alpha) * b for a, b in zip(h, g, strict=True)]
        out.append([b + lamb * a for a, b in zip(h, g, strict=True)])
    return out


def _ma(history: list[list[float]], window: int, lamb: float) -> list[list[float]]:
    """g_t + lamb mean(g_(t-w+1) .. g_t), from the step on at which there are w of them; before, g_t."""
    out = []
    for t, g in enumerate(history):
        if t + 1 < window:
            out.append(list(g))
            continue
        recent = history[t + 1 - window : t + 1]
        out.append([b + lamb * math.fsum(c) / window for b, c in zip(g, zip(*recent, strict=True), strict=True)])
    return out


def _history(flat, steps: int) -> list[torch.Tensor]:
    return [flat.set_gradient(gradients(flat, step)).clone() for step in range(steps)]


@pytest.mark.parametrize(("alpha", "lamb"), [(0.98, 2.0), (0.5, 0.3), (0.0, 1.0)])
def test_the_average_of_grokfast_is_that_of_the_formula(alpha, lamb):
    flat = flat_parameters()
    history = _history(flat, 12)
    transform = _transform("grokfast_ema", flat, alpha=alpha, lamb=lamb)
    for ours, expected in zip(history, _ema([g.tolist() for g in history], alpha, lamb), strict=True):
        transform.apply_(ours)
        assert ours.tolist() == pytest.approx(expected, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize(("window", "lamb"), [(1, 2.0), (4, 5.0), (11, 0.3)])
def test_the_window_of_grokfast_is_that_of_the_formula(window, lamb):
    flat = flat_parameters()
    history = _history(flat, 12)
    transform = _transform("grokfast_ma", flat, window=window, lamb=lamb)
    for ours, expected in zip(history, _ma([g.tolist() for g in history], window, lamb), strict=True):
        transform.apply_(ours)
        # One gradient added and one taken off a running sum: a few roundings.
        assert ours.tolist() == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("window", [2, 7])
def test_a_window_does_nothing_until_it_is_full(window):
    flat = flat_parameters()
    transform = _transform("grokfast_ma", flat, window=window)
    for step, gradient in enumerate(_history(flat, window), 1):
        before = gradient.clone()
        transform.apply_(gradient)
        assert torch.equal(gradient, before) == (step < window)


def test_a_long_window_in_single_precision_does_not_drift():
    """The running sum after 1000 steps, gradients from 1e3 down to 1e-3, against a sum of its window anew."""
    flat = flat_parameters("float32")
    transform = _transform("grokfast_ma", flat, window=5, lamb=1.0)
    recent = []
    for step in range(1000):
        gradient = flat.set_gradient(gradients(flat, step % 50)).clone() * 10.0 ** (3 - 6 * step / 1000)
        recent = [*recent, gradient.double()][-5:]
        plain = gradient.clone()
        transform.apply_(gradient)
    expected = plain.double() + sum(recent) / 5
    # Rounding of the result to float32, and of sums of 1e3 in float64 (1e-13 a step), beside entries near 1e-3.
    torch.testing.assert_close(gradient.double(), expected, rtol=1e-6, atol=1e-9)


def test_the_published_defaults():
    config = GradientConfig(name="grokfast_ema")
    assert (config.alpha, config.slow_factor) == (0.98, 2.0)
    config = GradientConfig(name="grokfast_ma")
    assert (config.window, config.slow_factor) == (100, 5.0)
    config = GradientConfig(name="neuralgrok")
    assert (config.amplifier_width, config.outer_every, config.outer_fraction) == (128, 4, 0.02)
    flat = flat_parameters()
    assert [type(_transform(name, flat)) for name in ("grokfast_ema", "grokfast_ma", "orthograd", "neuralgrok")] == [
        AverageTransform,
        WindowTransform,
        AcrossTransform,
        AmplifierTransform,
    ]
    assert build_transform(GradientConfig(), flat, 0) is None


def test_orthograd_turns_every_gradient_across_its_weights_and_keeps_its_norm():
    flat = flat_parameters()
    grads = named_gradients(flat, 0)
    vector = flat.set_gradient(list(grads.values()))
    _transform("orthograd", flat).apply_(vector)
    for name, found in flat.views(vector).items():
        w, g, out = (t.detach().flatten().tolist() for t in (flat.weights[name], grads[name], found))
        dot, square = (math.fsum(a * b for a, b in zip(w, other, strict=True)) for other in (g, w))
        left = [b - dot / square * a for a, b in zip(w, g, strict=True)]
        factor = math.hypot(*g) / math.hypot(*left)
        assert out == pytest.approx([factor * x for x in left], rel=1e-11, abs=1e-12)
        assert math.fsum(a * b for a, b in zip(w, out, strict=True)) == pytest.approx(0, abs=1e-11)
        assert math.hypot(*out) == pytest.approx(math.hypot(*g), rel=1e-12)


def test_orthograd_keeps_a_gradient_of_weights_that_are_zero_and_zeros_of_a_gradient():
    source = torch.Generator().manual_seed(0)
    gradient = {"a": torch.randn(3, 4, generator=source), "b": torch.zeros(5), "c": torch.randn(5, generator=source)}
    weights = {"a": torch.zeros(3, 4), "b": torch.ones(5), "c": torch.ones(5)}
    before = {name: g.clone() for name, g in gradient.items()}
    across_(gradient, weights)
    assert torch.equal(gradient["a"], before["a"])
    assert not gradient["b"].any()
    assert not torch.equal(gradient["c"], before["c"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(7,), (64, 32), (128, 512), (4, 128, 32)])
@pytest.mark.parametrize("factor", [-3.0, 1e-4])
def test_orthograd_makes_nothing_of_a_gradient_along_the_weights(shape, factor, dtype):
    """What is left of it is rounding, and would be scaled up to a full step in a random direction."""
    w = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(1))
    gradient = {"w": factor * w}
    across_(gradient, {"w": w})
    assert not gradient["w"].any()


def test_orthograd_keeps_a_component_across_that_is_small_but_there():
    """One in 1e5 is far above rounding in float32: it is scaled up to the gradient's norm."""
    w = torch.zeros(2, 50)
    w[0] = 1.0
    across = torch.zeros(2, 50)
    across[1] = 1e-5
    gradient = {"w": w + across}
    size = gradient["w"].norm()
    across_(gradient, {"w": w})
    torch.testing.assert_close(gradient["w"], across / across.norm() * size, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_transform_that_went_through_safetensors_continues_bit_for_bit(name, dtype):
    flat = flat_parameters(dtype)
    history = _history(flat, 12)

    def outputs(transform, first, last):
        found = []
        for step in range(first, last):
            gradient = history[step].clone()
            if isinstance(transform, AmplifierTransform) and transform.outer_due(step):
                transform.learn(gradient, history[step - 1], 0.1)
            transform.apply_(gradient)
            found.append(gradient)
        return found

    for cut in (0, 3, 9):
        whole = _transform(name, flat, **SETTINGS[name])
        outputs(whole, 0, cut)
        saved = safetensors.torch.save(whole.tensors())
        again = _transform(name, flat, **SETTINGS[name])
        again.restore(safetensors.torch.load(saved))
        for first, second in zip(outputs(whole, cut, 12), outputs(again, cut, 12), strict=True):
            assert torch.equal(first, second)
        one, two = whole.tensors(), again.tensors()
        assert set(one) == set(two)
        assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_transform_writes_the_gradient_in_place_and_leaves_the_weights_alone(name):
    flat = flat_parameters()
    before = copies(flat)
    gradient = flat.set_gradient(gradients(flat, 0))
    transform = _transform(name, flat, **{**SETTINGS[name], **({"window": 1} if name == "grokfast_ma" else {})})
    plain, pointer = gradient.clone(), gradient.data_ptr()
    assert transform.apply_(gradient) is None
    assert flat.vector.grad.data_ptr() == pointer
    assert not torch.equal(flat.vector.grad, plain)
    assert all(torch.equal(flat.weights[n], before[n]) for n in flat.names)
