"""The update rule of a run: what every rule reads, and what each says of itself.

The rules and the settings of their own are declared in `grokscope.optimizers.rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, dataclass_transform, get_args

from grokscope.config.checks import choice, group_names, group_values, integer, number, positive, refuse
from grokscope.config.methods import NamedMethod, declare_named
from grokscope.config.parameter_groups import GroupName, GroupValues

if TYPE_CHECKING:
    from torch import Tensor

DecayForm = Literal["own", "decoupled", "l2"]
Schedule = Literal["constant", "linear", "cosine", "step"]
_READ_BY = {
    "schedule_steps": ("linear", "cosine"),
    "schedule_end": ("linear", "cosine"),
    "step_every": ("step",),
    "step_factor": ("step",),
}
"""Settings of schedules, and the schedules that read them."""


@dataclass(frozen=True)
class OptimizerConfig(NamedMethod):
    """The update rule: `OptimizerConfig(name="scion", radius=3)` has the settings that Scion reads.

    A rule is a subclass with settings of its own, declared by `declare_optimizer`. It says of itself how it is built,
    and where it differs from others: the class variables and methods below.
    """

    SECTION: ClassVar[str] = "optimizer"
    OWN_DECAY: ClassVar[DecayForm | None] = None
    """The form of weight decay that the rule comes with; None: a decay must say its form."""
    RULE_DECAYS: ClassVar[bool] = False
    """Whether the update rule decays all parameters by itself, in `OWN_DECAY`."""

    name: str = "lion"
    lr: float = 1e-3
    """Learning rate after the warm-up."""
    weight_decay: float = 0.0
    """Strength of weight decay, in the form that `decay_form` says."""
    decay_form: DecayForm = "own"
    """decoupled: w <- w - lr * weight_decay * w. l2: weight_decay * w joins the gradient. own: decoupled for AdamW,
    Lion and Muon, l2 for Adam and SGD."""
    decay_scope: tuple[GroupName, ...] = get_args(GroupName)
    """Parameter groups that decay: by default all."""
    group_decay: GroupValues = ()
    """Weight decay of some groups of their own, in `decay_scope` or not, instead of `weight_decay`."""
    group_rate: GroupValues = ()
    """Multiples of the learning rate for some groups, whose learning rate is that: what the update changes in them is
    multiplied by it."""
    warmup_steps: int = 10
    """The learning rate of step t is lr * min(1, t / warmup_steps), t = 1, 2, ..., and the schedule's from there."""
    schedule: Schedule = "constant"
    """constant; linear or cosine: down to `schedule_end` of it; step: by `step_factor` each `step_every` steps."""
    schedule_steps: int | None = None
    """The step at which linear and cosine schedules end, the warm-up included; left out: the budget."""
    schedule_end: float = 0.0
    """The share of the learning rate that linear and cosine schedules come down to, after their last step."""
    step_every: int = 1000
    """Steps from one drop of the step schedule to the next, counted from the end of the warm-up."""
    step_factor: float = 0.1
    """What the learning rate is multiplied by at each."""
    angular_step: GroupValues = ()
    """Radians that the rows of a group turn per step, on average: each update of the group is scaled to that."""

    def __post_init__(self) -> None:
        positive("optimizer.lr", self.lr)
        self._check_decay()
        group_values("optimizer.group_rate", self.group_rate, get_args(GroupName))
        integer("optimizer.warmup_steps", self.warmup_steps, 0)
        self._check_schedule()
        group_values("optimizer.angular_step", self.angular_step, get_args(GroupName))
        self.check()

    def _check_schedule(self) -> None:
        choice("optimizer.schedule", self.schedule, Schedule)
        if self.schedule_steps is not None:
            integer("optimizer.schedule_steps", self.schedule_steps, self.warmup_steps + 1)
        number("optimizer.schedule_end", self.schedule_end, 0.0, open_low=False)
        integer("optimizer.step_every", self.step_every, 1)
        positive("optimizer.step_factor", self.step_factor)
        for name, schedules in _READ_BY.items():
            value = getattr(self, name)
            if self.schedule not in schedules and value != getattr(OptimizerConfig, name):
                read = f"optimizer.schedule = {' or '.join(schedules)} reads it"
                refuse(f"optimizer.{name}", value, f"{read}, {self.schedule} does not")

    @property
    def has_constant_rate(self) -> bool:
        """Whether every step has the same learning rate."""
        return self.schedule == "constant" and self.warmup_steps <= 1

    def _check_decay(self) -> None:
        number("optimizer.weight_decay", self.weight_decay, 0.0, open_low=False)
        choice("optimizer.decay_form", self.decay_form, DecayForm)
        group_names("optimizer.decay_scope", self.decay_scope, GroupName)
        group_values("optimizer.group_decay", self.group_decay, get_args(GroupName))
        if (self.weight_decay > 0 or self.group_decay) and self.decay_form == "own" and self.OWN_DECAY is None:
            refuse(
                "optimizer.weight_decay" if self.weight_decay > 0 else "optimizer.group_decay",
                self.weight_decay if self.weight_decay > 0 else self.group_decay,
                f"{self.name} has none of its own; use 0, or set optimizer.decay_form to decoupled or l2",
            )

    @property
    def decay(self) -> DecayForm:
        """The form of weight decay, decoupled or l2."""
        return (self.OWN_DECAY or "decoupled") if self.decay_form == "own" else self.decay_form

    @property
    def decays_itself(self) -> bool:
        """Whether the weight decay is left to the update rule: on all groups and in its own form."""
        everywhere = set(self.decay_scope) == set(get_args(GroupName))
        return self.RULE_DECAYS and everywhere and not self.group_decay and self.decay == self.OWN_DECAY

    @property
    def rule_decay(self) -> float:
        """The weight decay that the update rule applies."""
        return self.weight_decay if self.decays_itself else 0.0

    @property
    def kept_vectors(self) -> int:
        """How many vectors, as long as that of all trained parameters, the rule keeps from step to step, for estimates
        of memory and disk: those of Adam, where a rule says nothing else."""
        return 2

    def build(self, parameters: Any) -> Any:
        """The rule, a `grokscope.optimizers.Rule`, on a `grokscope.optimizers.FlatParameters`."""
        raise NotImplementedError(f"{type(self).__name__} does not say how its rule is built")

    def start_inside_(self, weights: dict[str, Tensor], names: tuple[str, ...]) -> None:
        """Change trained parameters before the first step, in place, where the rule needs that: most do not."""

    def rate_of(self, parameter: str, lr: float) -> float:
        """The learning rate of one parameter at a step whose rate is `lr`: for most rules the same."""
        return lr


Rule = TypeVar("Rule", bound=type[OptimizerConfig])


@dataclass_transform(frozen_default=True)
def declare_optimizer(*names: str) -> Callable[[Rule], Rule]:
    """Declare the settings of an update rule, a subclass of `OptimizerConfig`, under the names that choose it."""
    return lambda kind: declare_named(kind, names)
