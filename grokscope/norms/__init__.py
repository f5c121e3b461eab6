"""Norms of weights, and control of them.

rows      which entries are a row; norms of rows and of parameter groups; project and clip rows
control   what a config does with them: at the start, and after every step
"""

from grokscope.norms.control import INIT_SCOPES, NormControl, clamp_, start_rows_
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
    "NormControl",
    "bundle_norms",
    "bundles",
    "clamp_",
    "clip_rows_",
    "group_norms",
    "joint_norm",
    "project_rows_",
    "row_angles",
    "row_dims",
    "row_norms",
    "start_rows_",
]
