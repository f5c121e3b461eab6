"""An arm of the experiment, and the families that declare them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grokscope.analysis.timing import Event
from grokscope.collecting import import_modules
from grokscope.config import ConfigError
from grokscope.experiments.why_clipping.setting import NotYet, Setting
from grokscope.experiments.why_clipping.tasks import MAIN

CLIP, FREE = "clip", "free"
"""The published method, and the same without its clip: what most arms are compared with."""
HELD = {
    "sphere-1": "every tensor held at its norm",
    "sphere-rows": "every row held at its norm",
    "growing-sphere-step": "weight normalisation of fixed gain, relative step held, which forgets nothing",
}
"""The arms that decide, in words: without a clip, they hold the norms of the function alone."""
TESTED = "sphere-1"
"""The one of them that gets as many seeds as its verdict needs, on every task."""
NORMS_FREE = "step-start-scale-clip"
"""The arm that decides whether they are needed: without a clip, it has what follows from held norms, and free norms."""

Settings = dict[str, Any]
"""Values by the full name of a setting, over Lion with the projection and without the clip."""


@dataclass(frozen=True)
class Arm:
    """One setting."""

    about: str
    """What it is, in words that need no context."""
    settings: Callable[[Setting], Settings]
    """What it sets; may raise `NotYet`."""
    follows: tuple[str, ...] = ()
    """The traces that it follows."""
    against: str = CLIP
    """The arm whose time its own is compared with: the clip under the same circumstances."""
    baseline: str = FREE
    """The arm that has neither: the other end of the speed-up that it may have a share of."""
    event: Event = "sustained_grok"
    """What its time is of: where there is no rule, of the memorisation."""
    n_seeds: int | None = None
    """How many seeds it has at most; None: as many as the experiment."""


@dataclass(frozen=True)
class Family:
    """Arms that ask one question together."""

    number: int
    name: str
    asks: str
    tasks: tuple[str, ...]
    arms: Callable[[], Mapping[str, Arm]] = field(repr=False)

    @property
    def module(self) -> str:
        """Where it is declared."""
        return self.arms.__module__


_declared: list[Family] = []


def declare_family(
    *, number: int, name: str, asks: str, tasks: Sequence[str] = (MAIN,)
) -> Callable[[Callable[[], Mapping[str, Arm]]], Family]:
    """Declare a family: the decorator of the function that names its arms.

        @declare_family(number=16, name="caps", asks="Does a cap on matrices do what the clip on rows does?")
        def caps() -> dict[str, Arm]: ...

    The experiment then trains them and compares each with the clip; nothing else names it.
    """

    def declare(arms: Callable[[], Mapping[str, Arm]]) -> Family:
        family = Family(number, name, asks, tuple(tasks), arms)
        for one in [one for one in _declared if (one.name, one.module) == (family.name, family.module)]:
            _declared.remove(one)
        _declared.append(family)
        return family

    return declare


def families() -> dict[str, Family]:
    """All families by name, in the order of their numbers. Raises `ConfigError` where two share an arm or a name."""
    import_modules("grokscope.experiments.why_clipping.families")
    ordered = sorted(_declared, key=lambda family: family.number)
    owner: dict[str, str] = {}
    for family in ordered:
        for arm in family.arms():
            if owner.setdefault(arm, family.name) != family.name:
                raise ConfigError(f"the arm {arm!r} is declared by {owner[arm]} and by {family.name}: rename one")
    named = {family.name: family for family in ordered}
    if len(named) < len(ordered):
        raise ConfigError("two families share a name: give one of them another")
    return named


def known_arms(family: Family, setting: Setting) -> Iterator[tuple[str, Arm, Settings]]:
    """The arms of a family on a task with what they set, those left out that depend on runs that have not ended."""
    for name, arm in family.arms().items():
        try:
            yield name, arm, arm.settings(setting)
        except NotYet:
            continue
