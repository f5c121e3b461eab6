"""The frozen dataclasses that say what a run is.

Every field is checked when the dataclass is made, so that a `RunConfig` that exists can be run. An
error names the field as the user writes it (`task.modulus`), the value, and what would be accepted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args, get_type_hints

from grokscope.config.primes import is_prime, nearest_primes

Operation = Literal["add", "sub", "mul", "div"]
TaskName = Literal["add", "sub", "mul", "div", "mixed", "permutation", "parity"]
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
Schedule = Literal["every", "log", "dense"]
Forward = Literal["engine", "hooked"]


class ConfigError(ValueError):
    """A setting that cannot be run; the message names field, value and what is accepted."""


def _refuse(name: str, value: object, accepted: str) -> None:
    raise ConfigError(f"{name} = {value!r} is not accepted: {accepted}")


def _choice(name: str, value: object, allowed: object) -> None:
    names = get_args(allowed)
    if value not in names:
        _refuse(name, value, f"use one of {', '.join(names)}")


def _integer(name: str, value: object, low: int, high: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        span = f"an integer >= {low}" if high is None else f"an integer from {low} to {high}"
        _refuse(name, value, f"use {span}")


def _number(name: str, value: object, low: float, high: float = math.inf, *, open_low: bool, open_high: bool) -> None:
    ok = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if ok:
        assert isinstance(value, int | float)
        ok = (value > low if open_low else value >= low) and (value < high if open_high else value <= high)
    if not ok:
        left, right = "(" if open_low else "[", ")" if open_high else "]"
        _refuse(name, value, f"use a finite number in {left}{low:g}, {high:g}{right}")


def _positive(name: str, value: object) -> None:
    _number(name, value, 0.0, open_low=True, open_high=True)


def _boolean(name: str, value: object) -> None:
    if not isinstance(value, bool):
        _refuse(name, value, "use true or false")


@dataclass(frozen=True)
class TaskConfig:
    """Which labelled dataset, in which form, and how it is split."""

    name: TaskName = "mul"
    """add, sub, mul, div (modulo a prime), mixed (several of them), permutation (S_n), parity."""
    modulus: int = 97
    """The prime p of the modular tasks."""
    operations: tuple[Operation, ...] = ("add", "sub", "mul", "div")
    """The operations in a mixed task, each with its own token."""
    degree: int = 5
    """n of the permutation task: composition in S_n, n = 3..6."""
    bits: int = 10
    """Length of a parity example, in bits."""
    parity_bits: int = 3
    """How many of the bits the parity depends on."""
    form: Form = "x_op_y_eq"
    """Token sequence of two-operand tasks: [x, op, y, =] or [x, y, =]."""
    train_fraction: float = 0.5
    """Share of all examples that is trained on."""

    def __post_init__(self) -> None:
        _choice("task.name", self.name, TaskName)
        _integer("task.modulus", self.modulus, 2)
        if self.name in ("add", "sub", "mul", "div", "mixed") and not is_prime(self.modulus):
            near = ", ".join(map(str, nearest_primes(self.modulus)))
            raise ConfigError(
                f"task.modulus = {self.modulus} is not prime; {self.name} needs a prime (nearest: {near})"
            )
        if not isinstance(self.operations, tuple) or not self.operations:
            _refuse("task.operations", self.operations, f"use one or more of {', '.join(get_args(Operation))}")
        for operation in self.operations:
            _choice("task.operations", operation, Operation)
        if len(set(self.operations)) < len(self.operations):
            _refuse("task.operations", self.operations, "name each operation once")
        _integer("task.degree", self.degree, 3, 6)
        _integer("task.bits", self.bits, 1, 20)
        _integer("task.parity_bits", self.parity_bits, 1)
        if self.name == "parity" and self.parity_bits > self.bits:
            _refuse("task.parity_bits", self.parity_bits, f"use at most task.bits = {self.bits}")
        _choice("task.form", self.form, Form)
        if self.name == "mixed" and self.form == "x_y_eq" and len(self.operations) > 1:
            _refuse("task.form", self.form, "a mixed task tells its operations apart by their token; use x_op_y_eq")
        _number("task.train_fraction", self.train_fraction, 0.0, 1.0, open_low=True, open_high=True)


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
            _integer(f"model.{name}", getattr(self, name), 1)
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
            _choice(f"model.{name}", getattr(self, name), allowed)
        _boolean("model.biases", self.biases)
        _boolean("model.unembed_bias", self.unembed_bias)

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

    def __post_init__(self) -> None:
        _choice("optimizer.name", self.name, OptimizerName)
        _positive("optimizer.lr", self.lr)
        if not isinstance(self.betas, tuple) or len(self.betas) != 2:
            _refuse("optimizer.betas", self.betas, "use two numbers")
        for beta in self.betas:
            _number("optimizer.betas", beta, 0.0, 1.0, open_low=False, open_high=True)
        _number("optimizer.momentum", self.momentum, 0.0, 1.0, open_low=False, open_high=True)
        _number("optimizer.weight_decay", self.weight_decay, 0.0, open_low=False, open_high=True)
        if self.name == "signsgd" and self.weight_decay > 0:
            _refuse("optimizer.weight_decay", self.weight_decay, "signsgd has none; use 0")
        if self.name != "sgd" and self.momentum > 0:
            _refuse("optimizer.momentum", self.momentum, f"only sgd has it; use 0 with {self.name}")
        _integer("optimizer.warmup_steps", self.warmup_steps, 0)


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
    """Parameter groups that the clip binds; decoder = all but embed and unembed."""

    def __post_init__(self) -> None:
        _choice("norms.init_rows", self.init_rows, InitRows)
        if self.init_norm is not None:
            _positive("norms.init_norm", self.init_norm)
        if self.max_norm is not None:
            _positive("norms.max_norm", self.max_norm)
        if self.init_rows != "none" and self.row_norm_at_start is None:
            raise ConfigError(
                f"norms.init_rows = {self.init_rows!r} needs a norm: "
                "set norms.init_norm or norms.max_norm to a number > 0"
            )
        if not isinstance(self.scope, tuple) or not self.scope:
            _refuse("norms.scope", self.scope, f"name one or more of {', '.join(get_args(ScopeName))}")
        for name in self.scope:
            _choice("norms.scope", name, ScopeName)

    @property
    def row_norm_at_start(self) -> float | None:
        """The norm that `init_rows` projects to."""
        return self.max_norm if self.init_norm is None else self.init_norm


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
        _integer("training.steps", self.steps, 1)
        for name, low in (("batch_size", 1), ("eval_every", 1), ("stop_evaluations", 0)):
            if getattr(self, name) is not None:
                _integer(f"training.{name}", getattr(self, name), low)
        _integer("training.threads", self.threads, 1)
        if not isinstance(self.device, str) or not self.device:
            _refuse("training.device", self.device, "use a torch device such as cpu or cuda:0")


@dataclass(frozen=True)
class CheckpointConfig:
    """When weights are saved. The first (step 0) and the last are always saved."""

    schedule: Schedule = "every"
    """every: each `every` steps. log: `per_decade` per factor of ten. dense: each `every` steps until the
    grok is sustained, then each `sparse_every`."""
    every: int = 10
    per_decade: int = 20
    sparse_every: int = 200

    def __post_init__(self) -> None:
        _choice("checkpoints.schedule", self.schedule, Schedule)
        for name in ("every", "per_decade", "sparse_every"):
            _integer(f"checkpoints.{name}", getattr(self, name), 1)


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
    training: TrainingConfig = field(default_factory=TrainingConfig)
    checkpoints: CheckpointConfig = field(default_factory=CheckpointConfig)

    def __post_init__(self) -> None:
        if not isinstance(self.arm, str) or not self.arm:
            _refuse("arm", self.arm, "use a non-empty name")
        _integer("seed", self.seed, 0, 2**31 - 1)
        _choice("forward", self.forward, Forward)
        for name, kind in SECTIONS.items():
            if not isinstance(getattr(self, name), kind):
                _refuse(name, getattr(self, name), f"use a {kind.__name__}")


SECTIONS: dict[str, type] = {
    name: kind for name, kind in get_type_hints(RunConfig).items() if hasattr(kind, "__dataclass_fields__")
}
"""The nested parts of a `RunConfig`, by field name."""
