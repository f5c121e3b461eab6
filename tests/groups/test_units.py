"""Units mod p and the number theory under them, against sympy and Python's own pow."""

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from grokscope.groups import CyclicGroup, UnitsModulo, discrete_log, is_prime, nearest_primes, primitive_root

PRIMES = [2, 3, 5, 7, 11, 23, 31, 59, 97, 101, 113]


@given(st.integers(-10, 20_000))
@settings(deadline=None)
def test_is_prime_agrees_with_sympy(n):
    assert is_prime(n) == sympy.isprime(n)


@given(st.integers(-10, 5000))
@settings(deadline=None)
def test_nearest_primes_are_the_last_below_and_the_first_above(n):
    below = (sympy.prevprime(n),) if n > 2 else ()
    assert nearest_primes(n) == (*below, sympy.nextprime(n))


@pytest.mark.parametrize("p", PRIMES)
def test_primitive_root_is_the_smallest_whose_powers_are_all_units(p):
    root = primitive_root(p)
    assert {pow(root, i, p) for i in range(p - 1)} == set(range(1, p))
    assert root == sympy.primitive_root(p)


@pytest.mark.parametrize("p", PRIMES)
def test_discrete_log_inverts_powers_of_the_root_and_is_minus_one_at_zero(p):
    log = discrete_log(p)
    assert log.shape == (p,)
    assert log.dtype == np.int64
    assert log[0] == -1
    assert all(pow(primitive_root(p), int(log[x]), p) == x for x in range(1, p))
    assert sorted(log[1:]) == list(range(p - 1))


@pytest.mark.parametrize("p", PRIMES)
def test_the_product_is_multiplication_of_residues(p):
    group = UnitsModulo(p)
    assert isinstance(group, CyclicGroup)
    assert group.order == p - 1
    residue, element = group.residue_of_element, group.element_of_residue
    assert np.array_equal(residue[group.table], np.outer(residue, residue) % p)
    assert np.array_equal(element[residue], np.arange(p - 1))
    assert np.array_equal(residue[element[1:]], np.arange(1, p))
    assert [pow(group.root, i, p) for i in range(p - 1)] == residue.tolist()
    assert group.labels == tuple(map(str, residue))


@pytest.mark.parametrize("p", PRIMES[1:])
def test_the_sign_is_the_legendre_symbol(p):
    group = UnitsModulo(p)
    assert group.irreps[-1].name == "sign"
    assert group.irreps[-1].frequency == (p - 1) // 2
    euler = [1 if pow(int(x), (p - 1) // 2, p) == 1 else -1 for x in group.residue_of_element]
    assert group.irreps[-1].character.tolist() == euler


def test_the_group_of_one_unit():
    group = UnitsModulo(2)
    assert group.irrep_names == ("trivial",)
    assert group.element_of_residue.tolist() == [-1, 0]
    assert group.residue_of_element.tolist() == [1]


@pytest.mark.parametrize("function", [primitive_root, discrete_log, UnitsModulo])
@pytest.mark.parametrize(
    ("p", "message"),
    [
        (96, r"p = 96 is not prime; .* needs a prime \(nearest: 89, 97\)"),
        (1, r"p = 1 is not prime; .* \(nearest: 2\)"),
        (-3, "p = -3 is out of range"),
        (10**18 + 9, "p = 1000000000000000009 is out of range; .* up to 10000"),  # a prime, which takes long to see
        (7.0, "p = 7.0 is not an integer"),
    ],
)
def test_what_is_no_prime_is_refused_with_the_nearest_ones(function, p, message):
    with pytest.raises(ValueError, match=message):
        function(p)
