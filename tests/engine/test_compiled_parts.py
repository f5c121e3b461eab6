"""What the compiled path is made of: scalar functions, loops, and products through each library."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import erfc

from grokscope.blas import library, openblas, product
from grokscope.blas.products import library_for
from grokscope.engine.compiled import activations, cross_entropy, norms

KINDS = [np.float32, np.float64]
ROUNDING = {np.float32: 3e-6, np.float64: 1e-14}


@pytest.mark.parametrize("kind", KINDS)
def test_gelu_and_its_slope_are_exact_from_tail_to_tail(kind):
    x = np.linspace(-12, 12, 40001).astype(kind)
    bias = np.full(len(x), 0.25, dtype=kind)
    pre, post = (x - bias)[None].copy(), np.empty((1, len(x)), dtype=kind)
    exact = ((x - bias) + bias).astype(np.float64)
    phi = 0.5 * erfc(-exact / math.sqrt(2))
    activations.gelu(pre, bias, post)
    np.testing.assert_allclose(post[0], exact * phi, rtol=0, atol=ROUNDING[kind])
    slope = phi + exact * np.exp(-(exact**2) / 2) / math.sqrt(2 * math.pi)
    np.testing.assert_allclose(pre[0], slope, rtol=0, atol=ROUNDING[kind])
    # The tail is small, not zero: relative errors stay those of an exponential in this precision.
    tail = (exact < -1) & (exact > -9)
    np.testing.assert_allclose(post[0][tail], (exact * phi)[tail], rtol=20 * ROUNDING[kind])
    alone = (x - bias)[None].copy()
    activations.gelu_alone(alone, bias)
    np.testing.assert_allclose(alone, post, rtol=ROUNDING[kind], atol=1e-30)


@pytest.mark.parametrize("kind", KINDS)
def test_relu_and_its_backward_pass(kind):
    x = np.array([[-2.0, 0.0, 3.0], [1.0, -1.0, np.nan]], dtype=kind)
    bias, sums = np.array([1.0, 0.0, -1.0], dtype=kind), np.full(3, 9, dtype=kind)
    activations.relu(x, bias)
    np.testing.assert_array_equal(x, [[0, 0, 2], [2, 0, np.nan]])
    d = np.array([[3.0, 4.0, 5.0], [6.0, 7.0, 8.0]], dtype=kind)
    activations.relu_backward(d, x, sums)  # a slope of 1 where the value is positive
    np.testing.assert_array_equal(d, [[0, 0, 5], [6, 0, 0]])
    np.testing.assert_array_equal(sums, [6, 0, 5])


@pytest.mark.parametrize("kind", KINDS)
def test_a_square_and_its_backward_pass(kind):
    pre, bias = np.array([[-2.0, 0.5, np.nan]], dtype=kind), np.array([1.0, 1.0, 0.0], dtype=kind)
    alone, post = pre.copy(), np.empty_like(pre)
    activations.quadratic(pre, bias, post)
    np.testing.assert_array_equal(post, [[1.0, 2.25, np.nan]])
    np.testing.assert_array_equal(pre, [[-2.0, 3.0, np.nan]])
    activations.quadratic_alone(alone, bias)
    np.testing.assert_array_equal(alone, post)
    d, sums = np.array([[3.0, 4.0, 5.0]], dtype=kind), np.empty(3, dtype=kind)
    activations.slope_backward(d, pre, sums)
    np.testing.assert_array_equal(d, [[-6.0, 12.0, np.nan]])
    np.testing.assert_array_equal(sums, d[0])


def _random(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("branch", [norms.BRANCH_NONE, norms.BRANCH_BEFORE, norms.BRANCH_AFTER])
def test_the_residual_sum_and_its_norm_have_the_gradient_of_autograd(branch):
    n, d = 11, 7
    table, update, bias, gain, shift, d_normed, d_branch = (
        _random(*shape, dtype=torch.float64) for shape in ((5, d), (n, d), (d,), (d, ), (d,), (n, d), (n, d))
    )  # fmt: skip
    own = torch.arange(n) % 5
    inputs = [update, bias, gain, shift]
    leaves = [value.clone().requires_grad_() for value in inputs]
    total = table[own] + leaves[0] + leaves[1]
    normed = F.layer_norm(total, (d,), leaves[2], leaves[3], 1e-5)
    objective = (normed * d_normed).sum()
    objective = objective + {0: 0.0, 1: (total * d_branch).sum(), 2: (normed * d_branch).sum()}[branch]
    expected = torch.autograd.grad(objective, leaves)
    ours, ours_normed, inverse, mean = (torch.empty(s, dtype=torch.float64) for s in ((n, d), (n, d), (n,), (n,)))
    norms.add_and_normalise(*(v.numpy() for v in (table, own, *inputs, ours, ours_normed, inverse, mean)))
    torch.testing.assert_close(ours, total.detach())
    torch.testing.assert_close(ours_normed, normed.detach())
    shapes = ((n, d), (d,), (d,), (d,))
    d_total, d_gain, d_shift, d_bias = (torch.full(shape, torch.nan, dtype=torch.float64) for shape in shapes)
    norms.normalise_backward(
        d_normed.clone().numpy(), d_branch.numpy(), branch,
        *(v.numpy() for v in (ours, inverse, mean, gain, d_total, d_gain, d_shift, d_bias)),
    )  # fmt: skip
    for mine, other in zip((d_total, d_bias, d_gain, d_shift), expected, strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("size", [1.0, 300.0])
def test_cross_entropy_and_its_gradient_are_those_of_torch(kind, temperature, size):
    logits = size * _random(9, 13, dtype=torch.float64)
    labels = torch.arange(9) % 13
    leaf = logits.clone().requires_grad_()
    expected = F.cross_entropy(leaf / temperature, labels, reduction="none")
    (gradient,) = torch.autograd.grad(expected.mean(), leaf)
    ours, d, losses = logits.numpy().astype(kind), np.empty((9, 13), dtype=kind), np.empty(9)
    cross_entropy.cross_entropy(ours, labels.numpy(), temperature, d, losses)
    np.testing.assert_allclose(losses, expected.detach(), rtol=ROUNDING[kind], atol=ROUNDING[kind] * size)
    np.testing.assert_allclose(d, gradient, atol=ROUNDING[kind] * size)
    again = np.empty(9)
    hits = np.empty(len(again))
    cross_entropy.losses_and_hits(ours, labels.numpy(), temperature, again, hits)
    np.testing.assert_allclose(again, losses, rtol=1e-6, atol=ROUNDING[kind])
    assert hits.tolist() == (logits.argmax(1) == labels).double().tolist()


def test_of_equal_logits_the_first_counts_as_torch_says():
    logits = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]], dtype=np.float32)
    hits = np.empty(2)
    cross_entropy.losses_and_hits(logits, np.array([0, 1]), 1.0, np.empty(2), hits)
    assert hits.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("using", ["torch", "openblas"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 3), (7, 1, 4), (9, 6, 1), (33, 12, 20)])
@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True), (True, True)])
def test_a_product_is_that_of_float64_however_its_operands_lie(using, shape, transposed):
    if using == "openblas" and not openblas.is_available():
        pytest.skip("this numpy has no OpenBLAS")
    rows, inner, columns = shape
    kind = torch.float32
    a = _random(inner, rows, dtype=kind).T if transposed[0] else _random(rows, inner, dtype=kind)
    b = _random(columns, inner, dtype=kind).T if transposed[1] else _random(inner, columns, dtype=kind)
    around = torch.full((rows, columns + 4), 7.0)
    call = product(a, b, around[:, 2:-2], using)
    for _ in range(2):
        call()
        torch.testing.assert_close(around[:, 2:-2].double(), a.double() @ b.double(), rtol=1e-5, atol=1e-5)
        assert bool((around[:, :2] == 7).all()), "nothing else is written"
        assert bool((around[:, -2:] == 7).all())
        a.mul_(2.0)


@pytest.mark.parametrize("using", ["torch", "openblas"])
def test_a_product_of_some_columns_of_larger_matrices(using):
    if using == "openblas" and not openblas.is_available():
        pytest.skip("this numpy has no OpenBLAS")
    a, b, out = _random(9, 3, 8, dtype=torch.float32), _random(8, 20, dtype=torch.float32), torch.zeros(9, 5)
    product(a[:, 1], b[:, 4:9], out, using)()
    torch.testing.assert_close(out, a[:, 1] @ b[:, 4:9])
    product(out.T, a[:, 2], wide := torch.zeros(5, 8), using)()
    torch.testing.assert_close(wide, out.T @ a[:, 2])


def test_a_result_that_is_not_stored_in_rows_is_refused():
    with pytest.raises(ValueError, match="stored in rows"):
        openblas.product(torch.ones(3, 2), torch.ones(2, 4), torch.empty(4, 3).T)
    with pytest.raises(ValueError, match="one of them must be 1"):
        openblas.product(torch.ones(3, 4)[:, ::2], torch.ones(2, 4), torch.empty(3, 4))


def test_the_library_depends_on_processor_and_threads_alone():
    assert library_for("vendor_id : AuthenticAMD\nflags : fma avx2 avx512f") == "openblas"
    assert library_for("vendor_id : AuthenticAMD\nflags : fma avx2") == "openblas"
    assert library_for("vendor_id : GenuineIntel\nflags : fma avx2 avx512f") == "torch"
    assert library_for("") == "torch"
    assert library(1) in ("torch", "openblas")
    # Threads of two libraries wait for each other's cores.
    assert library(2) == library(16) == "torch"


def test_openblas_has_the_threads_it_is_given_and_afterwards_those_of_before():
    if not openblas.is_available():
        pytest.skip("this numpy has no OpenBLAS")
    count = openblas._functions().get_threads
    before = count()
    with openblas.threads(1):
        assert count() == 1
    assert count() == before
    with pytest.raises(ZeroDivisionError), openblas.threads(1):
        1 // 0  # noqa: B018
    assert count() == before
