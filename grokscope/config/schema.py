"""The frozen dataclasses that say what a run is.

Every field is checked when the dataclass is made, so that a `RunConfig` that exists can be run. An
error names the field as the user writes it (`task.modulus`), the value, and what would be accepted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args, get_type_hints

from grokscope.config.checks import (
    ConfigError,
    boolean,
    check_indices,
    check_rows,
    choice,
    group_values,
    integer,
    number,
    positive,
    refuse,
)
from grokscope.config.group_input import MAX_ORDER, NAMES, Rows, factors, order_of, wrong_element, wrong_table_row
from grokscope.config.primes import is_prime, nearest_primes

Operation = Literal["add", "sub", "mul", "div"]
TaskName = Literal["add", "sub", "mul", "div", "mixed", "permutation", "group", "parity"]
Product = Literal["ab", "ba"]
Form = Literal["x_op_y_eq", "x_y_eq"]
Activation = Literal["gelu", "relu"]
Normalization = Literal["LN", "none"]
Dtype = Literal["float32", "float64"]
Init = Literal["torch", "hooked"]
Residual = Literal["normed", "pre_ln"]
Output = Literal["vocab", "answers"]
OptimizerName = Literal["adam", "adamw", "sgd", "lion", "signsgd"]
InitRows = Literal["none", "all", "edge", "edge_ln"]
ScopeName = Literal["decoder", "attention", "mlp", "ln", "ln_final", "pos_embed", "biases", "embed", "unembed"]
Schedule = Literal["every", "log", "dense", "ends"]
Forward = Literal["engine", "hooked"]
LossName = Literal["cross_entropy", "stablemax"]
GroupName = Literal["attention", "mlp", "ln", "ln_final", "pos_embed", "biases", "embed", "unembed"]
GroupValues = tuple[tuple[GroupName, float], ...]
"""A number for each of some parameter groups."""


@dataclass(frozen=True)
class TaskConfig:
    """Which labelled dataset, in which form, and how it is split."""

    name: TaskName = "mul"
    """add, sub, mul, div (modulo a prime), mixed (several of them), permutation (S_n), group (any), parity."""
    modulus: int = 97
    """The prime p of the modular tasks."""
    operations: tuple[Operation, ...] = ("add", "sub", "mul", "div")
    """The operations in a mixed task, each with its own token."""
    degree: int = 5
    """n of the permutation task: composition in S_n, n = 3..6."""
    group: str | None = None
    """The group of the group task by name: Zn, Dn (the 2n symmetries of the n-gon), Sn, An, or products: Z3xS3."""
    elements: Rows | None = None
    """The same by its elements: permutations of 0..m-1, closed under composition, in the order of their tokens."""
    table: Rows | None = None
    """The same by its Cayley table, on the tokens: the label of (a, b) is table[a][b]."""
    product: Product = "ba"
    """Label of (a, b) for permutations. ba: b after a, the one that maps i to b[a[i]]. ab: a after b, a[b[i]]."""
    bits: int = 10
    """Length of a parity example, in bits."""
    parity_bits: int = 3
    """How many of the bits the parity depends on."""
    form: Form = "x_op_y_eq"
    """Token sequence of two-operand tasks: [x, op, y, =] or [x, y, =]."""
    train_fraction: float = 0.5
    """Share of all examples that is trained on, drawn by the seed."""
    train_indices: tuple[int, ...] | None = None
    """Numbers of the examples that are trained on, in place of a draw; none at all: the split is not known."""

    def __post_init__(self) -> None:
        choice("task.name", self.name, TaskName)
        integer("task.modulus", self.modulus, 2)
        if self.name in ("add", "sub", "mul", "div", "mixed") and not is_prime(self.modulus):
            near = ", ".join(map(str, nearest_primes(self.modulus)))
            raise ConfigError(
                f"task.modulus = {self.modulus} is not prime; {self.name} needs a prime (nearest: {near})"
            )
        if not isinstance(self.operations, tuple) or not self.operations:
            refuse("task.operations", self.operations, f"use one or more of {', '.join(get_args(Operation))}")
        for operation in self.operations:
            choice("task.operations", operation, Operation)
        if len(set(self.operations)) < len(self.operations):
            refuse("task.operations", self.operations, "name each operation once")
        integer("task.degree", self.degree, 3, 6)
        self._check_group()
        integer("task.bits", self.bits, 1, 20)
        integer("task.parity_bits", self.parity_bits, 1)
        if self.name == "parity" and self.parity_bits > self.bits:
            refuse("task.parity_bits", self.parity_bits, f"use at most task.bits = {self.bits}")
        choice("task.form", self.form, Form)
        if self.name == "mixed" and self.form == "x_y_eq" and len(self.operations) > 1:
            refuse("task.form", self.form, "a mixed task tells its operations apart by their token; use x_op_y_eq")
        number("task.train_fraction", self.train_fraction, 0.0, 1.0, open_low=True, open_high=True)
        if self.train_indices is not None:
            check_indices(self.train_indices)

    def _check_group(self) -> None:
        """Which group, and whether one is given where there is none to give."""
        ways = {"group": self.group, "elements": self.elements, "table": self.table}
        given = {name: value for name, value in ways.items() if value is not None}
        if self.group is not None:
            parts = factors(self.group) if isinstance(self.group, str) else None
            if parts is None:
                others = "give any other group by task.elements or task.table"
                refuse("task.group", self.group, f"use {NAMES}; {others}")
            elif not 2 <= order_of(parts) <= MAX_ORDER:
                refuse("task.group", self.group, f"use an order from 2 to {MAX_ORDER}; this one has {order_of(parts)}")
        check_rows("task.elements", self.elements, wrong_element)
        check_rows("task.table", self.table, wrong_table_row)
        choice("task.product", self.product, Product)
        if self.name != "group" and given:
            raise ConfigError(
                f"task.{next(iter(given))} is given, but task.name = {self.name!r}: use task.name = group"
            )
        if self.name == "group" and len(given) != 1:
            raise ConfigError(
                f"task.name = 'group' needs its group given in one way, and has {' and '.join(given) or 'none'}: "
                "use one of task.group (a name), task.elements (permutations), task.table (a Cayley table)"
            )
        if self.product == "ab" and not self.is_permutations:
            raise ConfigError(
                "task.product = 'ab' is not accepted here: use it with permutations (task.elements, task.group = Sn "
                "or An, task.name = permutation); in any other group the label of (a, b) is the product a b"
            )

    @property
    def is_permutations(self) -> bool:
        """Whether operands are permutations, whose product can be read in two orders."""
        parts = () if self.group is None else factors(self.group) or ()
        return (
            self.name == "permutation" or self.elements is not None or (len(parts) == 1 and parts[0][0] in ("S", "A"))
        )


@dataclass(frozen=True)
class ModelConfig:
    """The `HookedTransformer` that is trained."""

    n_layers: int = 2
    d_model: int = 128
    n_heads: int = 4
    d_mlp: int = 512
    activation: Activation = "gelu"
    normalization: Normalization = "LN"
    """LN: LayerNorm before attention, before the MLP and before the unembedding. none: nowhere."""
    biases: bool = True
    """Whether attention, MLP and LayerNorm biases are trained. If not they are zero and stay so."""
    unembed_bias: bool = False
    """Whether the unembedding has a trained bias."""
    dtype: Dtype = "float32"
    init: Init = "torch"
    """torch: what nn.Embedding, nn.Linear and nn.MultiheadAttention draw. hooked: TransformerLens' own."""
    residual: Residual = "normed"
    """pre_ln: the standard block. normed: the block starts with x = LN1(x), and that x is the residual stream."""
    output: Output = "vocab"
    """vocab: a logit for every token, as published for [x, op, y, =]. answers: for answer tokens only."""

    def __post_init__(self) -> None:
        for name in ("n_layers", "d_model", "n_heads", "d_mlp"):
            integer(f"model.{name}", getattr(self, name), 1)
        if self.d_model % self.n_heads:
            divisors = [h for h in range(1, self.d_model + 1) if self.d_model % h == 0]
            near = sorted(sorted(divisors, key=lambda h: abs(h - self.n_heads))[:2])
            raise ConfigError(
                f"model.d_model = {self.d_model} is not divisible by model.n_heads = {self.n_heads} "
                f"(nearest that divide it: {', '.join(map(str, near))})"
            )
        for name, allowed in (
            ("activation", Activation),
            ("normalization", Normalization),
            ("dtype", Dtype),
            ("init", Init),
            ("residual", Residual),
            ("output", Output),
        ):
            choice(f"model.{name}", getattr(self, name), allowed)
        boolean("model.biases", self.biases)
        boolean("model.unembed_bias", self.unembed_bias)

    @property
    def d_head(self) -> int:
        return self.d_model // self.n_heads


@dataclass(frozen=True)
class OptimizerConfig:
    """The update rule."""

    name: OptimizerName = "lion"
    lr: float = 1e-3
    """Learning rate after the warm-up."""
    betas: tuple[float, float] = (0.9, 0.97)
    """Averaging coefficients of Lion and Adam(W)."""
    momentum: float = 0.0
    """Momentum of SGD."""
    weight_decay: float = 0.0
    """Decoupled (w <- w - lr * weight_decay * w) for AdamW and Lion, L2 in the gradient for Adam and SGD."""
    warmup_steps: int = 10
    """The learning rate of step t is lr * min(1, t / warmup_steps), t = 1, 2, ..."""
    angular_step: GroupValues = ()
    """Radians that the rows of a group turn per step, on average: each update of the group is scaled to that."""

    def __post_init__(self) -> None:
        choice("optimizer.name", self.name, OptimizerName)
        positive("optimizer.lr", self.lr)
        if not isinstance(self.betas, tuple) or len(self.betas) != 2:
            refuse("optimizer.betas", self.betas, "use two numbers")
        for beta in self.betas:
            number("optimizer.betas", beta, 0.0, 1.0, open_low=False, open_high=True)
        number("optimizer.momentum", self.momentum, 0.0, 1.0, open_low=False, open_high=True)
        number("optimizer.weight_decay", self.weight_decay, 0.0, open_low=False, open_high=True)
        if self.name == "signsgd" and self.weight_decay > 0:
            refuse("optimizer.weight_decay", self.weight_decay, "signsgd has none; use 0")
        if self.name != "sgd" and self.momentum > 0:
            refuse("optimizer.momentum", self.momentum, f"only sgd has it; use 0 with {self.name}")
        integer("optimizer.warmup_steps", self.warmup_steps, 0)
        group_values("optimizer.angular_step", self.angular_step, get_args(GroupName))


@dataclass(frozen=True)
class NormConfig:
    """Norm control: which rows are projected at the start, and which are clipped after every step."""

    init_rows: InitRows = "none"
    """Rows set to `init_norm` before training: all; edge = embed and unembed; edge_ln = those and ln_final."""
    init_norm: float | None = None
    """Norm of projected rows; left out: `max_norm`."""
    max_norm: float | None = None
    """Upper bound on the norm of every row in `scope` after every step; left out: no clip."""
    scope: tuple[ScopeName, ...] = ("decoder",)
    """Parameter groups that `max_norm` binds; decoder = all but embed and unembed."""
    group_max_norm: GroupValues = ()
    """Bounds for some groups of their own, in `scope` or not, instead of `max_norm`."""
    from_step: int = 0
    """The first step after which rows are clipped; 0 is the start of training."""
    until_step: int | None = None
    """The last step after which rows are clipped; left out: to the end."""
    clamp_norm: float | None = None
    """Joint L2 norm that one common factor gives all parameters in `clamp_scope` after every step; left out: no
    clamp."""
    clamp_reference: float | None = None
    """The norm W_c that `clamp_rho` is relative to."""
    clamp_rho: float | None = None
    """The clamp as a multiple of `clamp_reference`, instead of `clamp_norm`."""
    clamp_scope: tuple[GroupName, ...] = ("embed", "pos_embed", "attention", "mlp", "unembed")
    """Parameter groups that are clamped together: by default all weight matrices."""
    group_clamp_norm: GroupValues = ()
    """Joint norms for some groups of their own, each by a factor of its own; those leave `clamp_scope`."""
    clamp_from_step: int = 0
    """The first step after which norms are clamped."""

    def __post_init__(self) -> None:
        choice("norms.init_rows", self.init_rows, InitRows)
        if self.init_norm is not None:
            positive("norms.init_norm", self.init_norm)
        if self.max_norm is not None:
            positive("norms.max_norm", self.max_norm)
        if self.init_rows != "none" and self.row_norm_at_start is None:
            raise ConfigError(
                f"norms.init_rows = {self.init_rows!r} needs a norm: "
                "set norms.init_norm or norms.max_norm to a number > 0"
            )
        if not isinstance(self.scope, tuple) or not self.scope:
            refuse("norms.scope", self.scope, f"name one or more of {', '.join(get_args(ScopeName))}")
        for name in self.scope:
            choice("norms.scope", name, ScopeName)
        group_values("norms.group_max_norm", self.group_max_norm, get_args(GroupName))
        group_values("norms.group_clamp_norm", self.group_clamp_norm, get_args(GroupName))
        integer("norms.from_step", self.from_step, 0)
        if self.until_step is not None:
            integer("norms.until_step", self.until_step, self.from_step)
        integer("norms.clamp_from_step", self.clamp_from_step, 0)
        for leaf in ("clamp_norm", "clamp_reference", "clamp_rho"):
            if getattr(self, leaf) is not None:
                positive(f"norms.{leaf}", getattr(self, leaf))
        if (self.clamp_rho is None) != (self.clamp_reference is None):
            raise ConfigError(
                f"norms.clamp_rho = {self.clamp_rho} and norms.clamp_reference = {self.clamp_reference} belong "
                "together: set both, or norms.clamp_norm alone"
            )
        if self.clamp_norm is not None and self.clamp_rho is not None:
            refuse("norms.clamp_norm", self.clamp_norm, "norms.clamp_rho and norms.clamp_reference give it already")
        if not isinstance(self.clamp_scope, tuple) or not self.clamp_scope:
            refuse("norms.clamp_scope", self.clamp_scope, f"name one or more of {', '.join(get_args(GroupName))}")
        for name in self.clamp_scope:
            choice("norms.clamp_scope", name, GroupName)

    @property
    def clips(self) -> bool:
        """Whether any row is clipped."""
        return self.max_norm is not None or bool(self.group_max_norm)

    def clips_after(self, step: int) -> bool:
        """Whether rows are clipped after a step; 0 is before the first."""
        return self.clips and self.from_step <= step and (self.until_step is None or step <= self.until_step)

    @property
    def clamp_target(self) -> float | None:
        """The joint norm of `clamp_scope`: given, or as a multiple of the reference."""
        if self.clamp_rho is not None and self.clamp_reference is not None:
            return self.clamp_rho * self.clamp_reference
        return self.clamp_norm

    @property
    def row_norm_at_start(self) -> float | None:
        """The norm that `init_rows` projects to."""
        return self.max_norm if self.init_norm is None else self.init_norm


@dataclass(frozen=True)
class LossConfig:
    """What is minimised, and reported as train and validation loss."""

    name: LossName = "cross_entropy"
    """cross_entropy: of softmax. stablemax: of s(x) = x + 1 for x >= 0, 1 / (1 - x) below, instead of exp(x)."""
    temperature: float = 1.0
    """tau: logits are divided by it before the loss."""

    def __post_init__(self) -> None:
        choice("loss.name", self.name, LossName)
        positive("loss.temperature", self.temperature)


@dataclass(frozen=True)
class ProbeConfig:
    """What is recorded about the training itself (`Run.probes`)."""

    record_every: int | None = 10
    """Steps between recordings: steps 0, 1, 1 + record_every, ... are recorded; left out: none."""

    def __post_init__(self) -> None:
        if self.record_every is not None:
            integer("probes.record_every", self.record_every, 1)


@dataclass(frozen=True)
class TrainingConfig:
    """The loop: how long, in which batches, evaluated how often, on what."""

    steps: int = 2000
    """Budget, in optimizer steps."""
    batch_size: int | None = None
    """Examples per step, reshuffled every epoch (the last batch may be smaller); left out: the full train set."""
    eval_every: int | None = None
    """Steps between evaluations; left out: one epoch (mini-batches) or 10 steps (full batch)."""
    stop_evaluations: int | None = None
    """Stop this many evaluations after a sustained grok; left out: use the whole budget."""
    threads: int = 1
    """CPU threads. They change float results, so they belong to the run."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        integer("training.steps", self.steps, 1)
        for name, low in (("batch_size", 1), ("eval_every", 1), ("stop_evaluations", 0)):
            if getattr(self, name) is not None:
                integer(f"training.{name}", getattr(self, name), low)
        integer("training.threads", self.threads, 1)
        if not isinstance(self.device, str) or not self.device:
            refuse("training.device", self.device, "use a torch device such as cpu or cuda:0")


@dataclass(frozen=True)
class CheckpointConfig:
    """When weights are saved. The first (step 0) and the last are always saved."""

    schedule: Schedule = "every"
    """every: each `every` steps. log: `per_decade` per factor of ten. dense: each `every` steps until the
    grok is sustained, then each `sparse_every`. ends: the first and the last alone."""
    every: int = 10
    per_decade: int = 20
    sparse_every: int = 200

    def __post_init__(self) -> None:
        choice("checkpoints.schedule", self.schedule, Schedule)
        for name in ("every", "per_decade", "sparse_every"):
            integer(f"checkpoints.{name}", getattr(self, name), 1)


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run. The same config and thread count give bit-identical weights."""

    arm: str = "custom"
    """Name of this setting in a comparison; arms of one seed share initial weights, split and batch order."""
    seed: int = 0
    forward: Forward = "engine"
    """engine: the exact engine. hooked: the plain HookedTransformer."""
    task: TaskConfig = field(default_factory=TaskConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    norms: NormConfig = field(default_factory=NormConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    checkpoints: CheckpointConfig = field(default_factory=CheckpointConfig)
    probes: ProbeConfig = field(default_factory=ProbeConfig)

    def __post_init__(self) -> None:
        if not isinstance(self.arm, str) or not self.arm:
            refuse("arm", self.arm, "use a non-empty name")
        integer("seed", self.seed, 0, 2**31 - 1)
        choice("forward", self.forward, Forward)
        for name, kind in SECTIONS.items():
            if not isinstance(getattr(self, name), kind):
                refuse(name, getattr(self, name), f"use a {kind.__name__}")

    def gradient_evaluations(self, steps: int) -> int:
        """Gradients that so many steps compute: forward and backward passes over one batch each."""
        return steps


SECTIONS: dict[str, type] = {
    name: kind for name, kind in get_type_hints(RunConfig).items() if hasattr(kind, "__dataclass_fields__")
}
"""The nested parts of a `RunConfig`, by field name."""
