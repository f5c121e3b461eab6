"""grokscope: a microscope for grokking.

    import grokscope as gs

    run = gs.train(gs.preset("mul-lion-clip"), seed=3)
    run.model(run.steps[-1])  # a HookedTransformer

Everything named in `__all__` is imported when it is first used, so that `import grokscope` is instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grokscope import analysis as analysis
    from grokscope import config as config
    from grokscope import engine as engine
    from grokscope import figures as figures
    from grokscope import groups as groups
    from grokscope import model as model
    from grokscope import norms as norms
    from grokscope import optimizers as optimizers
    from grokscope import probes as probes
    from grokscope import report as report
    from grokscope import runs as runs
    from grokscope import sweeps as sweeps
    from grokscope import tasks as tasks
    from grokscope import training as training
    from grokscope.analysis import run_all
    from grokscope.config import (
        CheckpointConfig,
        ConfigError,
        LossConfig,
        ModelConfig,
        NormConfig,
        OptimizerConfig,
        Preset,
        ProbeConfig,
        RunConfig,
        TaskConfig,
        TrainingConfig,
        override,
        preset,
        presets,
    )
    from grokscope.model import build_model
    from grokscope.report import build_report, findings
    from grokscope.runs import Run, RunError, list_runs, open_run, run_name, verify_run
    from grokscope.sweeps import load_sweep, run_sweep
    from grokscope.tasks import Task, build_task
    from grokscope.training import branch, import_run, resume, train

__version__ = "0.1.0"

__all__ = [
    "CheckpointConfig",
    "ConfigError",
    "LossConfig",
    "ModelConfig",
    "NormConfig",
    "OptimizerConfig",
    "Preset",
    "ProbeConfig",
    "Run",
    "RunConfig",
    "RunError",
    "Task",
    "TaskConfig",
    "TrainingConfig",
    "__version__",
    "branch",
    "build_model",
    "build_report",
    "build_task",
    "findings",
    "import_run",
    "list_runs",
    "load_sweep",
    "open_run",
    "override",
    "preset",
    "presets",
    "resume",
    "run_all",
    "run_name",
    "run_sweep",
    "train",
    "verify_run",
]

_HOMES = {
    "analysis": ("run_all",),
    "config": (
        "CheckpointConfig", "ConfigError", "LossConfig", "ModelConfig", "NormConfig", "OptimizerConfig", "Preset",
        "ProbeConfig", "RunConfig", "TaskConfig", "TrainingConfig", "override", "preset", "presets",
    ),
    "model": ("build_model",),
    "report": ("build_report", "findings"),
    "runs": ("Run", "RunError", "list_runs", "open_run", "run_name", "verify_run"),
    "sweeps": ("load_sweep", "run_sweep"),
    "tasks": ("Task", "build_task"),
    "training": ("branch", "import_run", "resume", "train"),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}
_PACKAGES = (
    "analysis", "config", "engine", "figures", "groups", "model", "norms", "optimizers", "probes", "report",
    "runs", "sweeps", "tasks", "training",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        # A submodule of the same name (grokscope.presets holds data) must not hide it next time.
        globals()[name] = value
        return value
    if name in _PACKAGES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_PACKAGES})
