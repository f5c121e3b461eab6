"""The network: the one place that touches TransformerLens.

parameters  names, shapes, groups and scopes of parameters
build       `HookedTransformer`s from a config, with or without weights
initial     freshly drawn weights
foreign     state dicts made elsewhere: their architecture, and what does not fit
blocks      the `normed` block, and an embedding with a deterministic backward
"""

from grokscope.model.build import build_model, load_model
from grokscope.model.foreign import Fitted, WeightsError, fitted, nonzero_biases, reordered, shape_settings
from grokscope.model.initial import initial_weights
from grokscope.model.parameters import (
    DECODER,
    ROLES,
    Role,
    Weights,
    d_vocab_out,
    dtype_of,
    in_scope,
    is_buffer,
    is_trained,
    memory_order,
    parameter_shapes,
    role,
    trained_names,
)

__all__ = [
    "DECODER",
    "ROLES",
    "Fitted",
    "Role",
    "Weights",
    "WeightsError",
    "build_model",
    "d_vocab_out",
    "dtype_of",
    "fitted",
    "in_scope",
    "initial_weights",
    "is_buffer",
    "is_trained",
    "load_model",
    "memory_order",
    "nonzero_biases",
    "parameter_shapes",
    "reordered",
    "role",
    "shape_settings",
    "trained_names",
]
