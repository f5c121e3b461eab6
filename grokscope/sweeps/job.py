"""What is done with each of many runs, and what a sweep is: a list of runs that are trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from grokscope.config import ConfigError, RunConfig, from_dict, load_again, loaded_plugins, to_dict
from grokscope.runs import ENDED, is_locked, run_name
from grokscope.runs.layout import is_run
from grokscope.runs.opening import seal_ended
from grokscope.runs.record import Status, read_status


class Work(ABC):
    """What a worker process does with one run: it is trained (`Job`), or something else that is named here."""

    program: ClassVar[str]
    """The module that the worker process runs; it calls `grokscope.sweeps.worker.serve`."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What the run is called; no two of a list are called the same."""

    @property
    @abstractmethod
    def budget(self) -> int:
        """Steps that the work may take."""

    @property
    @abstractmethod
    def threads(self) -> int:
        """Threads that the libraries of its process use."""

    @property
    def cores(self) -> int:
        """Cores that it keeps busy."""
        return self.threads

    @abstractmethod
    def order(self) -> dict[str, Any]:
        """What the worker process is told beside the run's path, in words of JSON."""

    def ended(self, path: Path) -> Status | None:
        """How the work ended, where the run's directory says so; None where it does not.

        Raises `RunError` where that cannot be read.
        """
        return None

    def settle(self, path: Path) -> None:
        """Do what is left of work that has ended, where its process was killed a moment too soon.

        Raises `RunError` where that is impossible.
        """
        return

    def is_held(self, path: Path) -> bool:
        """Whether another process does this work. Raises `RunError` where that cannot be read."""
        return False


@dataclass(frozen=True)
class Job(Work):
    """One run of a sweep: it is trained."""

    program: ClassVar[str] = "grokscope.sweeps.worker"
    config: RunConfig
    directory: str = ""
    """The name of its directory; left out: task, arm and seed."""

    @cached_property
    def name(self) -> str:  # type: ignore[override]
        """The name of its directory."""
        return self.directory or run_name(self.config)

    @property
    def budget(self) -> int:
        """Steps that it may take."""
        return self.config.training.steps

    @property
    def threads(self) -> int:
        """Those that the run is trained with."""
        return self.config.training.threads

    def order(self) -> dict[str, Any]:
        """The run's settings."""
        return {"config": to_dict(self.config)}

    def __reduce__(self) -> tuple[Callable[..., Job], tuple[Any, ...]]:
        """As plain values, for another machine, where the plugins that its settings need are imported first."""
        return _sent, (loaded_plugins(), to_dict(self.config), self.directory)

    def ended(self, path: Path) -> Status | None:
        """The status of a run that has finished or diverged."""
        status = read_status(path) if is_run(path) else None
        return status if status is not None and status.state in ENDED else None

    def settle(self, path: Path) -> None:
        """Seal the run's end."""
        seal_ended(path, self.config)

    def is_held(self, path: Path) -> bool:
        """Whether another process trains the run."""
        return is_locked(path)


def _sent(plugins: dict[str, tuple[str, ...]], config: dict[str, Any], directory: str) -> Job:
    load_again(plugins)
    return Job(from_dict(config), directory)


@dataclass(frozen=True)
class Resources:
    """What Ray reserves for one run."""

    num_cpus: float | None = None
    """Left out: the cores that its work keeps busy; in training, the run's `training.threads`."""
    num_gpus: float = 0.0
    """A fraction lets several runs share a device; their `training.device` must name it."""


@dataclass(frozen=True)
class Sweep:
    """Runs that belong together; see `load_sweep`.

    Raises `ConfigError` for two runs that would share a directory: on some file systems those do whose names differ in
    case alone.
    """

    name: str
    jobs: tuple[Job, ...]
    resources: Resources = Resources()

    def __post_init__(self) -> None:
        by_name: dict[str, Job] = {}
        for job in self.jobs:
            other = by_name.setdefault(job.name.casefold(), job)
            if other is job:
                continue
            both = job.name if job.name == other.name else f"{other.name} and {job.name}, which differ in case alone"
            raise ConfigError(
                f"two runs would be written to {both}, of the arms {other.config.arm!r} and {job.config.arm!r}: "
                "use names and values that differ in what a directory's name shows, whatever its case"
            )

    @property
    def out(self) -> Path:
        """Where its runs go by default, a directory each."""
        return Path("checkpoints", self.name)
