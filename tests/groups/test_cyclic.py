"""Z_n against numpy's FFT and the closed-form Fourier basis."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grokscope.groups import CyclicGroup

ORDERS = [*range(1, 13), 96, 97, 112, 113]


@pytest.mark.parametrize("n", ORDERS)
def test_no_frequency_is_dropped(n):
    group = CyclicGroup(n)
    assert [irrep.frequency for irrep in group.irreps] == list(range(n // 2 + 1))
    rotations = [f"k={k}" for k in range(1, (n - 1) // 2 + 1)]
    assert group.irrep_names == ("trivial", *rotations, *(["sign"] if n % 2 == 0 else []))
    assert [irrep.kind for irrep in group.irreps] == [
        "complex" if irrep.name.startswith("k=") else "real" for irrep in group.irreps
    ]


@pytest.mark.parametrize("n", ORDERS)
def test_the_fourier_basis_is_const_then_cos_and_sin_of_each_frequency_then_sign(n):
    group = CyclicGroup(n)
    basis = group.fourier_basis()
    waves = [f"{wave} {k}" for k in range(1, (n - 1) // 2 + 1) for wave in ("cos", "sin")]
    labels = ["const", *waves, *["sign"] * (n % 2 == 0)]
    assert len(labels) == n
    x = np.arange(n)
    for column, label in zip(basis.T, labels, strict=True):
        wave, _, k = label.partition(" ")
        expected = {
            "const": lambda _: np.full(n, n**-0.5),
            "sign": lambda _: (-1.0) ** x * n**-0.5,
            "cos": lambda k: np.sqrt(2 / n) * np.cos(2 * np.pi * k * x / n),
            "sin": lambda k: np.sqrt(2 / n) * np.sin(2 * np.pi * k * x / n),
        }[wave](int(k or 0))
        np.testing.assert_allclose(column, expected, atol=1e-12)
    frequency_of_label = [
        int(label.split()[1]) if " " in label else (n // 2 if label == "sign" else 0) for label in labels
    ]
    assert group.fourier_irreps().tolist() == frequency_of_label


@given(st.integers(2, 40), st.integers(0, 10**6))
@settings(deadline=None, max_examples=60)
def test_power_agrees_with_the_fast_fourier_transform(n, seed):
    f = np.random.default_rng(seed).standard_normal((n, 2))
    energy = np.abs(np.fft.rfft(f, axis=0)) ** 2
    energy[1 : (n - 1) // 2 + 1] *= 2  # each rotation stands for a frequency and its negative
    energy[0] = 0
    np.testing.assert_allclose(CyclicGroup(n).power(f), energy / energy.sum(axis=0), atol=1e-12)


@given(st.integers(3, 40), st.data())
@settings(deadline=None, max_examples=60)
def test_a_wave_has_all_its_power_at_its_frequency(n, data):
    k = data.draw(st.integers(1, n // 2))
    phase = 0.0 if 2 * k == n else data.draw(st.floats(0, 6))
    power = CyclicGroup(n).power(np.cos(2 * np.pi * k * np.arange(n) / n + phase))
    assert power[k] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_product_is_addition_modulo_n(n):
    group = CyclicGroup(n)
    assert all(group.table[a, b] == (a + b) % n for a in range(n) for b in range(n))
    assert group.name == f"Z{n}"


@pytest.mark.parametrize(
    ("n", "message"),
    [(0, "n = 0 is out of range.*n >= 1"), (2.5, "n = 2.5 is not an integer"), (10**18, "n >= 1, up to 10000")],
)
def test_an_order_that_is_no_positive_integer_is_refused(n, message):
    with pytest.raises(ValueError, match=message):
        CyclicGroup(n)
