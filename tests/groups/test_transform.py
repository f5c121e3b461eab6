"""The Fourier transform: inversion, Plancherel, power by irrep."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from grokscope.groups import CyclicGroup, DihedralGroup, SymmetricGroup

SMALL = [CyclicGroup(1), CyclicGroup(6), CyclicGroup(7), DihedralGroup(4), SymmetricGroup(4)]


def functions(group, *shape, seed=0):
    return np.random.default_rng(seed).standard_normal((group.order, *shape))


def test_the_transform_is_the_sum_of_f_times_rho(group):
    f = functions(group)
    for irrep in group.irreps:
        expected = sum(value * rho for value, rho in zip(f, irrep.matrices, strict=True))
        np.testing.assert_allclose(group.fourier(f)[irrep.name], expected, atol=1e-10)


def test_inverse_fourier_undoes_fourier(group):
    f = functions(group, 2, 3)
    f_hat = group.fourier(f)
    assert list(f_hat) == list(group.irrep_names)
    assert all(f_hat[rho.name].shape == (rho.dim, rho.dim, 2, 3) for rho in group.irreps)
    np.testing.assert_allclose(group.inverse_fourier(f_hat), f, atol=1e-10)


def test_plancherel(group):
    f = functions(group)
    f_hat = group.fourier(f)
    energy = sum(rho.dim / rho.commutant_dim * np.sum(f_hat[rho.name] ** 2) for rho in group.irreps) / group.order
    np.testing.assert_allclose(energy, np.sum(f**2), rtol=1e-10)


def test_convolution_becomes_a_matrix_product(group):
    f, h = functions(group), functions(group, seed=1)
    convolved = np.zeros(group.order)
    np.add.at(convolved, group.table, np.outer(f, h))
    f_hat, h_hat, product_hat = group.fourier(f), group.fourier(h), group.fourier(convolved)
    for name in group.irrep_names:
        np.testing.assert_allclose(product_hat[name], f_hat[name] @ h_hat[name], atol=1e-8)


def test_power_is_the_plancherel_share_of_the_centred_function(group):
    if group.order == 1:
        pytest.skip("every function on one element is constant")
    f = functions(group)
    f_hat = group.fourier(f - f.mean())
    energy = [rho.dim / rho.commutant_dim * np.sum(f_hat[rho.name] ** 2) for rho in group.irreps]
    np.testing.assert_allclose(group.power(f), energy / np.sum(energy), atol=1e-12)


def test_power_of_a_matrix_entry_is_all_in_its_irrep(group):
    for i, irrep in enumerate(group.irreps):
        power = group.power(irrep.basis())
        expected = np.zeros((len(group.irreps), irrep.span_dim))
        if i:
            expected[i] = 1
        np.testing.assert_allclose(power, expected, atol=1e-12)


def test_power_does_not_change_under_translation_from_either_side(group):
    f = functions(group)
    for g in (group.order - 1, group.order // 2):
        np.testing.assert_allclose(group.power(f[group.table[g]]), group.power(f), atol=1e-12)
        np.testing.assert_allclose(group.power(f[group.table[:, g]]), group.power(f), atol=1e-12)


@given(st.sampled_from(SMALL), st.data())
@settings(deadline=None, max_examples=150)
def test_power_sums_to_one_or_is_zero_for_constants(group, data):
    rest = data.draw(array_shapes(min_dims=0, max_dims=2, max_side=3) | st.just(()))
    values = st.floats(-1e300, 1e300) | st.floats(-1e-300, 1e-300) | st.integers(-3, 3).map(float)
    f = data.draw(arrays(np.float64, (group.order, *rest), elements=values))
    power = group.power(f)
    assert power.shape == (len(group.irreps), *rest)
    assert (power >= 0).all()
    total = power.sum(axis=0)
    assert np.all((np.abs(total - 1) < 1e-12) | (total == 0))
    constant = (f == f[0]).all(axis=0)
    assert np.all(total[constant] == 0)
    clearly_not = np.ptp(f / 2, axis=0) > 1e-6 * np.abs(f / 2).max(axis=0)
    assert np.all(np.abs(total[clearly_not] - 1) < 1e-12)


@given(st.sampled_from(SMALL), st.integers(0, 10**6), st.floats(1e-150, 1e150), st.floats(-100, 100))
@settings(deadline=None, max_examples=60)
def test_power_ignores_scale_and_offset(group, seed, scale, offset):
    f = functions(group, 2, seed=seed)
    np.testing.assert_allclose(group.power(scale * f), group.power(f), atol=1e-12)
    np.testing.assert_allclose(group.power(f + offset), group.power(f), atol=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, -7e200, 3e-310])
def test_power_of_a_constant_is_zero_everywhere(group, value):
    assert not group.power(np.full((group.order, 2), value)).any()


def test_power_takes_integers_booleans_and_float32(build_group):
    group = build_group("S4")
    sign = np.linalg.det(group.irrep("standard").matrices).round()
    for f in (sign.astype(np.int8), sign > 0, sign.astype(np.float32)):
        assert group.irreps[int(group.power(f).argmax())].name == "sign"


@pytest.mark.parametrize("method", ["fourier", "power"])
@pytest.mark.parametrize(
    ("f", "message"),
    [
        (np.zeros(5), r"f has shape \(5,\); axis 0 must run over the 6 elements of S3"),
        (np.float64(1.0), r"f has shape \(\)"),
        (np.zeros((2, 6)), r"f has shape \(2, 6\)"),
        (np.zeros(6, dtype=complex), "f has dtype complex128"),
        (np.array(list("abcdef")), "f has dtype <U1"),
        (np.array([0, 1, 2, 3, np.nan, np.inf]), "f has 2 values that are NaN or infinite"),
    ],
)
def test_functions_that_are_none_on_the_group_are_refused(method, f, message):
    with pytest.raises(ValueError, match=message):
        getattr(SymmetricGroup(3), method)(f)


def test_inverse_fourier_names_missing_unknown_and_misshaped_coefficients():
    group = SymmetricGroup(3)
    f_hat = group.fourier(functions(group))
    with pytest.raises(ValueError, match=r"missing \['sign'\], unknown \['k=1'\]"):
        group.inverse_fourier({"trivial": f_hat["trivial"], "standard": f_hat["standard"], "k=1": np.ones((1, 1))})
    with pytest.raises(ValueError, match=r"f_hat\['standard'\] has shape \(1, 1\); expected \(2, 2\)"):
        group.inverse_fourier({**f_hat, "standard": np.ones((1, 1))})


def test_inverse_fourier_projects_what_no_function_transforms_to():
    group = CyclicGroup(5)
    f_hat = group.fourier(functions(group))
    impossible = {**f_hat, "k=1": f_hat["k=1"] + np.diag([1.0, -1.0])}
    np.testing.assert_allclose(group.inverse_fourier(impossible), group.inverse_fourier(f_hat), atol=1e-12)
