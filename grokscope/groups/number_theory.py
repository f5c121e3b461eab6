"""Primes, primitive roots and discrete logarithms, for moduli that fit in a Cayley table."""

import numpy as np
from jaxtyping import Int

from grokscope.groups.checks import checked_int
from grokscope.groups.primes import is_prime, nearest_primes


def prime_factors(n: int) -> list[int]:
    """The distinct primes that divide n >= 1, ascending."""
    primes = []
    divisor = 2
    while divisor * divisor <= n:
        if n % divisor == 0:
            primes.append(divisor)
            while n % divisor == 0:
                n //= divisor
        divisor += 1
    return [*primes, n] if n > 1 else primes


def checked_prime(p: int, what: str) -> int:
    """p as an int up to MAX_TABLE; a ValueError naming p, `what` needs it and the nearest primes if it is not prime."""
    p = checked_int("p", p, low=0, what=what)
    if not is_prime(p):
        nearest = ", ".join(map(str, nearest_primes(p)))
        raise ValueError(f"p = {p} is not prime; {what} needs a prime (nearest: {nearest})")
    return p


def primitive_root(p: int) -> int:
    """The smallest g whose powers are all nonzero residues mod p: g^((p-1)/q) != 1 for each prime q | p-1.

    Raises ValueError if p is not prime.
    Source: Ireland & Rosen, A Classical Introduction to Modern Number Theory (1990), section 4.1.
    """
    p = checked_prime(p, "a primitive root")
    factors = prime_factors(p - 1)
    return next(g for g in range(1, p) if all(pow(g, (p - 1) // q, p) != 1 for q in factors))


def discrete_log(p: int) -> Int[np.ndarray, " residue"]:
    """log[x] with x = primitive_root(p)^log[x] mod p, for x = 1..p-1, as int64 `[p]`; -1 at x = 0.

    log[x * y mod p] = log[x] + log[y] mod p-1: multiplication mod p is addition mod p-1.

    Raises ValueError if p is not prime.
    """
    root = primitive_root(p)
    log = np.full(p, -1, dtype=np.int64)
    power = 1
    for exponent in range(p - 1):
        log[power] = exponent
        power = power * root % p
    return log
