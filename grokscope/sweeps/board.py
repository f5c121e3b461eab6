"""Where every run of a sweep, or of other work on many runs, stands, for whoever watches it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from grokscope.sweeps.job import Work

Standing = Literal["waiting", "running", "elsewhere", "finished", "diverged", "failed"]
"""elsewhere: another process works on it. diverged is an end like finished; failed: it ended with an error, twice."""

ATTEMPTS = 2
"""A run that fails is started once more, from its last saved state."""

OVER: tuple[Standing, ...] = ("finished", "diverged", "failed")


@dataclass(frozen=True)
class Failure:
    """A worker that crashed, hung or was killed."""

    reason: str
    tail: tuple[str, ...]
    """The last lines of its log."""


@dataclass(frozen=True)
class Outcome:
    """How a run of a sweep ended."""

    name: str
    path: Path
    standing: Standing
    """finished, diverged or failed."""
    reason: str | None
    """Why it ended."""
    before: bool
    """Whether it had ended before this sweep came to train it."""
    attempts: int
    """How many times it was started by this sweep."""
    failures: tuple[Failure, ...]
    """What went wrong, each time that something did; two if it failed, one if it ended after a retry."""
    result: Any = None
    """What the worker said had come of it, in words of JSON; None for a run that is trained."""


@dataclass
class Place:
    """One run, what is done with it, and where that stands."""

    job: Work
    path: Path
    standing: Standing = "waiting"
    step: int = 0
    """Of the job's budget."""
    accuracy: float | None = None
    """On the validation set, at the last evaluation."""
    rate: float | None = None
    """Steps per second."""
    reason: str | None = None
    before: bool = False
    attempts: int = 0
    failures: list[Failure] = field(default_factory=list)
    result: Any = None
    look_again: float = 0.0
    """If it is elsewhere: when to see whether it still is."""

    @property
    def over(self) -> bool:
        """Whether there is nothing left to do for it."""
        return self.standing in OVER

    def outcome(self) -> Outcome:
        """How it ended."""
        return Outcome(
            self.job.name,
            self.path,
            self.standing,
            self.reason,
            self.before,
            self.attempts,
            tuple(self.failures),
            self.result,
        )

    def fail(self, reason: str, tail: Sequence[str]) -> None:
        """Its worker crashed, hung or was killed: it waits for its retry, or has failed if this was it."""
        self.failures.append(Failure(reason, tuple(tail)))
        self.standing = "waiting" if len(self.failures) < ATTEMPTS else "failed"
        self.reason = reason

    def give_up(self, reason: str) -> None:
        """It cannot be worked on, and no retry would help."""
        self.fail(reason, [])
        self.standing = "failed"


@dataclass
class Board:
    """All runs, in their order."""

    places: list[Place]
    workers: int
    """How many are worked on at a time, as far as is known."""
    stopping: bool = False
    """Whether it has been interrupted and waits for its workers to end."""

    def count(self, *standings: Standing) -> int:
        """How many runs stand so."""
        return sum(place.standing in standings for place in self.places)

    @property
    def over(self) -> bool:
        """Whether every run has ended."""
        return all(place.over for place in self.places)

    def seconds_left(self) -> float | None:
        """Seconds to the end if every run uses its budget at the rate of those that are running; None if not known.

        Runs that are worked on elsewhere are left out.
        """
        rates = [place.rate for place in self.places if place.rate]
        if not rates:
            return None
        usual = sum(rates) / len(rates)
        left = [
            max(place.job.budget - place.step, 0) / (place.rate or usual)
            for place in self.places
            if place.standing in ("waiting", "running")
        ]
        return max(sum(left) / self.workers, max(left, default=0.0))


Watcher = Callable[[Board], None]
"""Called with the board several times a second."""
