"""What a run is: frozen dataclasses, presets, and changes by name.

schema      `RunConfig`: all sections of a config
task, model, optimizer, gradient, norm_control, loss, loop
            the sections, each field checked when made
methods     settings that methods declare where they live: optimizers, gradient transforms, losses, norm controls
parameter_groups
            the groups of parameters that settings name
forward     which path computes a run: compiled, engine or hooked
references  files that settings name by what is in them
checks      what a single value must be
callables   what a callable that a user gives is recorded as
nearest     what was probably meant by a name that does not exist
plugins     modules of a user's own, imported because the user names them
overrides   to and from dictionaries; changing settings by full or short name
presets     the published experiments by name
matrices    one reader of matrices, in every form that people have
labels      which token each operand and answer of a table of labels is
expression  formulas of two operands modulo n
stored      datasets as values of settings: content of a safetensors file
files       settings that come in files: elements, tables, labels, train indices, TOML
from_file   one run's config from a TOML file
"""

from grokscope.config.checks import ConfigError
from grokscope.config.files import FILE_READERS, read_elements, read_indices, read_settings, read_table
from grokscope.config.forward import ForwardPath, forward_path, why_not_compiled
from grokscope.config.from_file import config_from_file, settled, value_in_file
from grokscope.config.gradient import GradientConfig, declare_transform
from grokscope.config.loop import CheckpointConfig, ProbeConfig, TrainingConfig
from grokscope.config.loss import LossConfig, Reduction, declare_loss
from grokscope.config.methods import UnknownMethod
from grokscope.config.model import ModelConfig
from grokscope.config.norm_control import NormConfig, declare_control
from grokscope.config.optimizer import OptimizerConfig, declare_optimizer
from grokscope.config.overrides import (
    NOT_READ,
    Variants,
    by_full_name,
    differences,
    differences_in_words,
    field_names,
    from_dict,
    name_setting,
    override,
    readers,
    resolve,
    setting,
    setting_type,
    settings_of,
    to_dict,
)
from grokscope.config.parameter_groups import GroupLmos, GroupName, GroupValues, Heads, LmoName
from grokscope.config.plugins import load_again, load_plugins, loaded_plugins
from grokscope.config.presets import Preset, Published, preset, presets
from grokscope.config.schema import SECTIONS, RunConfig
from grokscope.config.task import TaskConfig

__all__ = [
    "FILE_READERS",
    "NOT_READ",
    "SECTIONS",
    "CheckpointConfig",
    "ConfigError",
    "ForwardPath",
    "GradientConfig",
    "GroupLmos",
    "GroupName",
    "GroupValues",
    "Heads",
    "LmoName",
    "LossConfig",
    "ModelConfig",
    "NormConfig",
    "OptimizerConfig",
    "Preset",
    "ProbeConfig",
    "Published",
    "Reduction",
    "RunConfig",
    "TaskConfig",
    "TrainingConfig",
    "UnknownMethod",
    "Variants",
    "by_full_name",
    "config_from_file",
    "declare_control",
    "declare_loss",
    "declare_optimizer",
    "declare_transform",
    "differences",
    "differences_in_words",
    "field_names",
    "forward_path",
    "from_dict",
    "load_again",
    "load_plugins",
    "loaded_plugins",
    "name_setting",
    "override",
    "preset",
    "presets",
    "read_elements",
    "read_indices",
    "read_settings",
    "read_table",
    "readers",
    "resolve",
    "setting",
    "setting_type",
    "settings_of",
    "settled",
    "to_dict",
    "value_in_file",
    "why_not_compiled",
]
