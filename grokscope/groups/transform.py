"""The Fourier transform on a finite group by real irreps: transform, inverse, and power by irrep.

With c = commutant_dim (1, 2, 4 for real, complex, quaternionic type) and n = |G|:

    f_hat(rho) = sum_g f(g) rho(g)
    f(g)       = (1/n) sum_rho (d/c) tr(rho(g)^T f_hat(rho))
    sum_g f(g)^2 = (1/n) sum_rho (d/c) ||f_hat(rho)||_F^2          (Plancherel)

The weight d/c follows from Serre's formula for complex irreps, where it is the complex dimension:
rho over the complex numbers is one irrep of dimension d, two conjugate ones of d/2, or twice one of d/2.
Source: Serre, Linear Representations of Finite Groups (1977), section 6.2, proposition 11; Diaconis,
Group Representations in Probability and Statistics (1988), chapter 2.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from einops import rearrange
from jaxtyping import Float, Int

from grokscope.groups.irreps import Irrep


def fourier(
    irreps: Sequence[Irrep], f: Float[np.ndarray, "element *rest"]
) -> dict[str, Float[np.ndarray, "d d *rest"]]:
    """f_hat(rho) = sum_g f(g) rho(g), by name of the irrep."""
    flat = rearrange(f, "element ... -> element (...)")
    coefficients = {}
    for irrep in irreps:
        entries = rearrange(irrep.matrices, "element row column -> element (row column)")
        coefficients[irrep.name] = (entries.T @ flat).reshape(irrep.dim, irrep.dim, *f.shape[1:])
    return coefficients


def inverse_fourier(irreps: Sequence[Irrep], f_hat: Mapping[str, Any]) -> Float[np.ndarray, "element *rest"]:
    """f(g) = (1/n) sum_rho (d/c) tr(rho(g)^T f_hat(rho)).

    An f_hat that lies outside the image of the transform (possible for complex and quaternionic types,
    where d^2 numbers stand for d^2/c) is first projected onto it.

    Raises ValueError if a name is missing or unknown, or if a coefficient is not `[d, d, *rest]`.
    """
    names = [irrep.name for irrep in irreps]
    if set(f_hat) != set(names):
        missing, unknown = sorted(set(names) - set(f_hat)), sorted(set(f_hat) - set(names))
        raise ValueError(
            f"f_hat must have one entry per irrep ({', '.join(names)}); missing {missing}, unknown {unknown}"
        )
    rest = np.shape(f_hat[names[0]])[2:]
    order = len(irreps[0].matrices)
    total = np.zeros((order, int(np.prod(rest, dtype=np.int64))))
    for irrep in irreps:
        block = np.asarray(f_hat[irrep.name], dtype=np.float64)
        if block.shape != (irrep.dim, irrep.dim, *rest):
            raise ValueError(f"f_hat[{irrep.name!r}] has shape {block.shape}; expected {(irrep.dim, irrep.dim, *rest)}")
        entries = rearrange(irrep.matrices, "element row column -> element (row column)")
        weight = irrep.dim / (irrep.commutant_dim * order)
        total += weight * (entries @ rearrange(block, "row column ... -> (row column) (...)"))
    return total.reshape(order, *rest)


def power(
    basis: Float[np.ndarray, "element element"],
    column_irrep: Int[np.ndarray, " element"],
    irrep_count: int,
    f: Float[np.ndarray, "element *rest"],
) -> Float[np.ndarray, "irrep *rest"]:
    """Share of the variance of f over the group that lies in the span of each irrep.

    power(rho) = sum_{b in basis(rho)} <b, f - mean f>^2 / ||f - mean f||^2

    The shares sum to 1, the trivial irrep's share being 0 since f is centred. A function that is
    constant up to rounding (||f - mean f|| <= 64 eps sqrt(n) max |f|) has no variance to share: all 0.

    Arguments:
        basis: `[element, column]`, orthonormal, the irreps' bases side by side.
        column_irrep: `[column]`, index of the irrep that each column belongs to.
        irrep_count: number of irreps.
        f: `[element, *rest]`.
    """
    flat = rearrange(f, "element ... -> element (...)")
    peak = np.abs(flat).max(axis=0)
    # Scaled to max |f| = 1, so that neither tiny nor huge functions lose their squares.
    scaled = flat / np.where(peak > 0, peak, 1.0)
    centred = scaled - scaled.mean(axis=0)
    coefficients = basis.T @ centred
    energy = np.zeros((irrep_count, flat.shape[1]))
    np.add.at(energy, column_irrep, coefficients**2)
    energy[0] = 0.0  # the trivial irrep comes first; what is left there is rounding of the mean
    constant = np.linalg.norm(centred, axis=0) <= 64 * np.finfo(np.float64).eps * np.sqrt(len(f))
    total = energy.sum(axis=0)
    shares = np.where(constant, 0.0, energy / np.where(constant | (total == 0), 1.0, total))
    return shares.reshape(irrep_count, *f.shape[1:])
