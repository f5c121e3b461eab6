"""Norms of weights, and control of them.

matrices  parameters as [out, in]
rows      which entries are a row; norms of rows and of parameter groups; project and clip rows
cap       a bound on a norm of every matrix
control   what a config does with them: at the start, and after every step
"""

from grokscope.norms.cap import MatrixCap, frobenius_norm, spectral_norm
from grokscope.norms.control import INIT_SCOPES, NormControl, clamp_, start_rows_
from grokscope.norms.matrices import as_matrix, is_matrix, write_matrix_
from grokscope.norms.rows import (
    bundle_norms,
    bundles,
    clip_rows_,
    group_norms,
    joint_norm,
    project_rows_,
    row_angles,
    row_dims,
    row_norms,
)

__all__ = [
    "INIT_SCOPES",
    "MatrixCap",
    "NormControl",
    "as_matrix",
    "bundle_norms",
    "bundles",
    "clamp_",
    "clip_rows_",
    "frobenius_norm",
    "group_norms",
    "is_matrix",
    "joint_norm",
    "project_rows_",
    "row_angles",
    "row_dims",
    "row_norms",
    "spectral_norm",
    "start_rows_",
    "write_matrix_",
]
