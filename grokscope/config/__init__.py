"""What a run is: frozen dataclasses, presets, and changes by name.

schema      the dataclasses, each field checked when made
checks      what a single value must be
overrides   to and from dictionaries; changing settings by full or short name
presets     the published experiments by name
files       settings that come in files: elements, tables, train indices, TOML
group_input how a group is written: names, rows of permutations, rows of a Cayley table
primes      which moduli are accepted
"""

from grokscope.config.checks import ConfigError
from grokscope.config.files import FILE_READERS, read_elements, read_indices, read_settings, read_table
from grokscope.config.group_input import factors
from grokscope.config.overrides import differences, field_names, from_dict, override, resolve, to_dict
from grokscope.config.presets import Preset, Published, preset, presets
from grokscope.config.primes import is_prime, nearest_primes
from grokscope.config.schema import (
    SECTIONS,
    CheckpointConfig,
    GroupValues,
    LossConfig,
    ModelConfig,
    NormConfig,
    OptimizerConfig,
    ProbeConfig,
    RunConfig,
    TaskConfig,
    TrainingConfig,
)

__all__ = [
    "FILE_READERS",
    "SECTIONS",
    "CheckpointConfig",
    "ConfigError",
    "GroupValues",
    "LossConfig",
    "ModelConfig",
    "NormConfig",
    "OptimizerConfig",
    "Preset",
    "ProbeConfig",
    "Published",
    "RunConfig",
    "TaskConfig",
    "TrainingConfig",
    "differences",
    "factors",
    "field_names",
    "from_dict",
    "is_prime",
    "nearest_primes",
    "override",
    "preset",
    "presets",
    "read_elements",
    "read_indices",
    "read_settings",
    "read_table",
    "resolve",
    "to_dict",
]
