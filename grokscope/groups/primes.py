"""Primes: which moduli give a field."""

from __future__ import annotations

from math import isqrt


def is_prime(n: int) -> bool:
    """Whether `n` is prime, by trial division (moduli here have a few digits)."""
    return n >= 2 and all(n % d for d in range(2, isqrt(n) + 1))


def nearest_primes(n: int) -> tuple[int, ...]:
    """The largest prime below `n` (if there is one) and the smallest above it."""
    below = next((m for m in range(n - 1, 1, -1) if is_prime(m)), None)
    above = max(n + 1, 2)
    while not is_prime(above):
        above += 1
    return (above,) if below is None else (below, above)
