"""numpy's OpenBLAS, called by the symbols of the library that numpy has loaded.

numpy's own product copies operands that are parts of larger arrays, and checks them at every call. Here the arguments
of a product are put together once, and a call is one jump.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@dataclass(frozen=True)
class _Functions:
    sgemm: Any
    """With 64-bit integers."""
    get_threads: Any
    set_threads: Any


@cache
def _functions() -> _Functions:
    from numpy.linalg import _umath_linalg

    # A library's symbols are found through whatever links to it.
    library = ctypes.CDLL(_umath_linalg.__file__)
    sgemm = library.scipy_sgemm_64_
    sgemm.restype, sgemm.argtypes = None, [ctypes.c_void_p] * 13
    return _Functions(sgemm, library.scipy_openblas_get_num_threads64_, library.scipy_openblas_set_num_threads64_)


@cache
def is_available() -> bool:
    """Whether this numpy has an OpenBLAS whose threads can be counted."""
    try:
        _functions()
    except (ImportError, AttributeError, OSError):
        return False
    return True


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Have OpenBLAS use so many threads, and afterwards as many as before: numpy uses it too."""
    if not is_available():
        yield
        return
    functions = _functions()
    before = functions.get_threads()
    functions.set_threads(count)
    try:
        yield
    finally:
        functions.set_threads(before)


@cache
def _int(value: int) -> Any:
    return ctypes.byref(ctypes.c_int64(value))


@cache
def _float(value: float) -> Any:
    return ctypes.byref(ctypes.c_float(value))


@cache
def _letter(value: bytes) -> Any:
    return ctypes.byref(ctypes.c_char(value))


def _stored(matrix: Tensor) -> tuple[bytes, int]:
    """How OpenBLAS, which counts down columns, is told of a matrix that is stored in rows: (letter, row length)."""
    if matrix.stride(1) == 1 or matrix.shape[1] == 1:
        return b"N", max(matrix.stride(0), matrix.shape[1], 1)
    if matrix.stride(0) == 1 or matrix.shape[0] == 1:
        return b"T", max(matrix.stride(1), matrix.shape[0], 1)
    raise ValueError(f"a matrix of shape {tuple(matrix.shape)} has strides {matrix.stride()}: one of them must be 1")


def product(
    a: Float[Tensor, "row inner"], b: Float[Tensor, "inner column"], out: Float[Tensor, "row column"]
) -> Callable[[], object]:
    """The call out = a @ b in float32, on as many threads as OpenBLAS has then (see `threads`)."""
    sgemm = _functions().sgemm
    (a_letter, a_length), (b_letter, b_length), (out_letter, out_length) = _stored(a), _stored(b), _stored(out)
    if out_letter != b"N":
        raise ValueError("the result of a product must be stored in rows")
    # Rows read as columns are the transpose: out^T = b^T a^T.
    arguments = (
        _letter(b_letter), _letter(a_letter), _int(out.shape[1]), _int(out.shape[0]), _int(a.shape[1]), _float(1.0),
        b.data_ptr(), _int(b_length), a.data_ptr(), _int(a_length), _float(0.0), out.data_ptr(), _int(out_length),
    )  # fmt: skip
    operands = (a, b, out)

    def call(operands: tuple[Tensor, ...] = operands) -> None:  # holds the memory that the pointers are of
        sgemm(*arguments)

    return call
