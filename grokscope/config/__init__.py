"""What a run is: frozen dataclasses, presets, and changes by name.

schema      the dataclasses, each field checked when made
overrides   to and from dictionaries; changing settings by full or short name
presets     the published experiments by name
primes      which moduli are accepted
"""

from grokscope.config.overrides import differences, field_names, from_dict, override, resolve, to_dict
from grokscope.config.presets import Preset, Published, preset, presets
from grokscope.config.primes import is_prime, nearest_primes
from grokscope.config.schema import (
    SECTIONS,
    CheckpointConfig,
    ConfigError,
    ModelConfig,
    NormConfig,
    OptimizerConfig,
    RunConfig,
    TaskConfig,
    TrainingConfig,
)

__all__ = [
    "SECTIONS",
    "CheckpointConfig",
    "ConfigError",
    "ModelConfig",
    "NormConfig",
    "OptimizerConfig",
    "Preset",
    "Published",
    "RunConfig",
    "TaskConfig",
    "TrainingConfig",
    "differences",
    "field_names",
    "from_dict",
    "is_prime",
    "nearest_primes",
    "override",
    "preset",
    "presets",
    "resolve",
    "to_dict",
]
