"""exp, sigmoid and GELU of one number, in a form that a compiler can put into vector registers.

The C library's `exp` and `erf` take one number at a time. For float32 these are polynomials instead, whose error is
that of float32 itself; for float64 they are the C library's.

    exp(-y)  = 2^-n p(f),   n + f = y / ln 2,  n whole,                     relative error of p: 2e-9
    Phi(-z)  = exp(-z^2 / 2) t q(t) / 2,   t = 1 / (1 + 0.4 z / sqrt(2)),   relative error of q: 6e-8

The coefficients are weighted least-squares fits in Chebyshev polynomials, reweighted until the largest relative error
was smallest (Lawson's algorithm), of 2^-f on [0, 1] and of exp(u^2) erfc(u) / t for u in [0, 10].
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

_f = np.float32
_LOG2_E, _LN_2 = _f(1.4426950408889634), _f(0.6931471805599453)
_LARGEST = _f(126.0)  # 2^-126 is the smallest normal number
_E0, _E1, _E2, _E3 = _f(0.999999998144), _f(-0.693147012784), _f(0.240223967174), _f(-0.0554894224382)
_E4, _E5, _E6 = _f(0.00957701160331), _f(-0.00127305204561), _f(0.000108511274191)
_Q0, _Q1, _Q2, _Q3, _Q4 = _f(0.2256342312), _f(0.2264431114), _f(0.2018875901), _f(0.1933932073), _f(0.07975649593)
_Q5, _Q6, _Q7, _Q8 = _f(0.08796432917), _f(0.08398729854), _f(-0.1403192427), _f(0.04125304089)
_HALF, _ONE = _f(0.5), _f(1.0)
_T_SLOPE = _f(0.4 / math.sqrt(2.0))
_DENSITY_AT_0 = _f(1.0 / math.sqrt(2.0 * math.pi))
_DENSITY_AT_0_FLOAT64 = 1.0 / math.sqrt(2.0 * math.pi)
_ROOT_HALF = math.sqrt(0.5)


@intrinsic
def _float_of_bits(typing_context: Any, bits: Any) -> Any:
    """The float32 that has the given 32 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


def exp_minus(y: float) -> float:
    """exp(-y) for y >= 0. Below 2^-126 it is 2^-126; not a number gives no number."""
    raise NotImplementedError("for compiled code")


def gelu_and_slope(x: float) -> tuple[float, float]:
    """x Phi(x), and its derivative Phi(x) + x phi(x), with the normal distribution's Phi and phi."""
    raise NotImplementedError("for compiled code")


def sigmoid_and_rest(x: float) -> tuple[float, float]:
    """1 / (1 + exp(-x)), and 1 minus that, neither of which rounds away the other's small tail."""
    raise NotImplementedError("for compiled code")


def _of_type(kind: Any, of_float32: Callable[..., Any], of_float64: Callable[..., Any]) -> Callable[..., Any] | None:
    # An import hook that checks annotations wraps every function, and a wrapper cannot be compiled.
    chosen = {types.float32: of_float32, types.float64: of_float64}.get(kind)
    return None if chosen is None else inspect.unwrap(chosen)


@overload(exp_minus)
def _exp_minus(y: Any) -> Callable[..., Any] | None:
    def exp_float32(y: Any) -> Any:
        scaled = y * _LOG2_E
        scaled = _LARGEST if scaled > _LARGEST else scaled
        whole = np.int32(scaled)
        f = scaled - np.float32(whole)
        p = _E0 + f * (_E1 + f * (_E2 + f * (_E3 + f * (_E4 + f * (_E5 + f * _E6)))))
        return p * _float_of_bits(np.int32((np.int32(127) - whole) << np.int32(23)))  # type: ignore[call-arg]

    def exp_float64(y: Any) -> Any:
        return math.exp(-y)

    return _of_type(y, exp_float32, exp_float64)


@overload(gelu_and_slope)
def _gelu_and_slope(x: Any) -> Callable[..., Any] | None:
    def gelu_float32(x: Any) -> Any:
        z = abs(x)
        density = exp_minus(_HALF * z * z)
        t = _ONE / (_ONE + _T_SLOPE * z)
        q = _Q0 + t * (_Q1 + t * (_Q2 + t * (_Q3 + t * (_Q4 + t * (_Q5 + t * (_Q6 + t * (_Q7 + t * _Q8)))))))
        tail = _HALF * density * t * q
        phi = _ONE - tail if x > _f(0) else tail
        return x * phi, phi + x * density * _DENSITY_AT_0

    def gelu_float64(x: Any) -> Any:
        # erfc keeps the small tail that 1 + erf would round away.
        phi = 0.5 * math.erfc(-x * _ROOT_HALF)
        return x * phi, phi + x * math.exp(-0.5 * x * x) * _DENSITY_AT_0_FLOAT64

    return _of_type(x, gelu_float32, gelu_float64)


@overload(sigmoid_and_rest)
def _sigmoid_and_rest(x: Any) -> Callable[..., Any] | None:
    one: Any = {types.float32: _ONE, types.float64: 1.0}.get(x)

    def both(x: Any) -> Any:
        e = exp_minus(abs(x))
        near, far = one / (one + e), e / (one + e)
        return (near, far) if x > 0 else (far, near)

    return _of_type(x, both, both)
