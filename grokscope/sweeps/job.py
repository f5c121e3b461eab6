"""What a sweep is: a list of runs, each with its config, and what one of them needs on a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grokscope.config import RunConfig
from grokscope.runs import run_name


@dataclass(frozen=True)
class Job:
    """One run of a sweep."""

    config: RunConfig
    directory: str = ""
    """The name of its directory; left out: task, arm and seed."""

    @property
    def name(self) -> str:
        """The name of its directory."""
        return self.directory or run_name(self.config)

    @property
    def budget(self) -> int:
        """Steps that it may take."""
        return self.config.training.steps


@dataclass(frozen=True)
class Resources:
    """What Ray reserves for one run."""

    num_cpus: float | None = None
    """Left out: the run's `training.threads`."""
    num_gpus: float = 0.0
    """A fraction lets several runs share a device; their `training.device` must name it."""


@dataclass(frozen=True)
class Sweep:
    """Runs that belong together; see `load_sweep`."""

    name: str
    jobs: tuple[Job, ...]
    resources: Resources = Resources()

    @property
    def out(self) -> Path:
        """Where its runs go by default, a directory each."""
        return Path("checkpoints", self.name)
