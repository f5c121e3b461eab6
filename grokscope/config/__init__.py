"""What a run is: frozen dataclasses, presets, and changes by name.

schema      `RunConfig`: all sections of a config
task, model, optimizer, gradient, norm_control, loss, loop
            the sections, each field checked when made
methods     settings that methods declare where they live: optimizers, gradient transforms, losses, norm controls
parameter_groups
            the groups of parameters that settings name
checks      what a single value must be
overrides   to and from dictionaries; changing settings by full or short name
presets     the published experiments by name
files       settings that come in files: elements, tables, labels, train indices, TOML
matrices    one reader of matrices, in every form that people have
labels      which token each operand and answer of a table of labels is
expression  formulas of two operands modulo n
stored      datasets as values of settings: content of a safetensors file
"""

from grokscope.config.checks import ConfigError
from grokscope.config.files import FILE_READERS, read_elements, read_indices, read_settings, read_table
from grokscope.config.gradient import GradientConfig, declare_transform
from grokscope.config.loop import CheckpointConfig, ProbeConfig, TrainingConfig
from grokscope.config.loss import LossConfig, Reduction, declare_loss
from grokscope.config.methods import UnknownMethod
from grokscope.config.model import ModelConfig
from grokscope.config.norm_control import NormConfig, declare_control
from grokscope.config.optimizer import OptimizerConfig, declare_optimizer
from grokscope.config.overrides import (
    NOT_READ,
    differences,
    field_names,
    from_dict,
    override,
    readers,
    resolve,
    setting,
    setting_type,
    settings_of,
    to_dict,
)
from grokscope.config.parameter_groups import GroupLmos, GroupName, GroupValues, Heads, LmoName
from grokscope.config.presets import Preset, Published, preset, presets
from grokscope.config.schema import SECTIONS, RunConfig
from grokscope.config.task import TaskConfig

__all__ = [
    "FILE_READERS",
    "NOT_READ",
    "SECTIONS",
    "CheckpointConfig",
    "ConfigError",
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
    "declare_control",
    "declare_loss",
    "declare_optimizer",
    "declare_transform",
    "differences",
    "field_names",
    "from_dict",
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
    "to_dict",
]
