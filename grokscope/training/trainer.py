"""The state of a run in training, and one step of it.

A step is: forward and backward pass, gradient transform, weight decay, the optimizer's update, norm control. Nothing
is written here; see `loop`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.config import ConfigError, RunConfig, forward_path
from grokscope.engine import CompiledEngine, Engine, evaluate, loss_function, scaled_to
from grokscope.model import (
    UNEMBEDDING,
    Weights,
    build_model,
    initial_weights,
    read_trace,
    require_hooked_transformer,
    tied,
    trained_names,
)
from grokscope.norms import CalledControl, NormControl, begin_, check_scopes
from grokscope.optimizers import (
    FlatParameters,
    GradientTransform,
    Update,
    build_optimizer,
    build_transform,
    learning_rate,
)
from grokscope.tasks import Task, run_task
from grokscope.training.batches import BatchStream, hold_back
from grokscope.training.device import usable
from grokscope.training.given import Factory, Given

_OPTIMIZER, _GRADIENT, _NORMS, _WEIGHTS, _EPOCH = "optimizer.", "gradient.", "norms.", "weights.", "epoch_generator"


@dataclass(frozen=True, eq=False)
class StepRecord:
    """One step as it was taken, for whoever looks at training itself.

    Weights are before the step, after the optimizer's update, and after norm control; logits and gradient are of the
    step's batch, with the weights before it and before any gradient transform.
    """

    examples: Int[Tensor, "example"]
    logits: Float[Tensor, "example d_vocab_out"]
    gradient: Weights
    before: Weights
    updated: Weights
    after: Weights
    shrinkage: dict[str, float]
    """The share of every parameter that decoupled weight decay took away."""
    spread: float | None
    """What the logits were scaled to before the loss (see `scaled_to`); None: they were not."""


class Diverged(Exception):
    """A loss or gradient that is not finite; the weights are those before the update."""


class Trainer:
    """Weights, optimizer and batch order of a run, at some step.

    Arguments:
        config: the run; its seed draws weights, split and batch order.
        task: the task of that config.
        given: the callables that the config names.
        begun: the step and the weights to go on from, with an optimizer that has no memory of them; left out: step 0
            and the weights that the seed draws. What is done to weights before the first step is not done to these.
    """

    def __init__(
        self, config: RunConfig, task: Task, given: Given | None = None, begun: tuple[int, Weights] | None = None
    ) -> None:
        self.task, self.step = task, 0 if begun is None else begun[0]
        self.given = given or Given()
        self.last_loss = float("nan")
        """The loss of the last step's batch, before its update; not a number before the first."""
        device = usable(config.training.device)
        weights = initial_weights(config.model, task, config.seed)
        trained = trained_names(weights, config.model)
        # A tied unembedding is no parameter of its own: it follows the embedding.
        own = [name for name in weights if not (config.model.tied and name == UNEMBEDDING)]
        check_scopes(config.norms, own)
        custom = self._custom_control(config, trained)
        if begun is None:
            inside = partial(config.optimizer.start_inside_, names=trained)
            start, self.norms = begin_(weights, config.norms, own, custom, inside)
        else:
            weights = {name: begun[1][name].clone() for name in weights}
            start = {name: weights[name].clone() for name in own}
            self.norms = NormControl(config.norms, own, start, custom)
        self._start = {name: value.to(device) for name, value in start.items()}
        self.parameters = FlatParameters(weights, trained, device)
        with torch.no_grad():
            self.parameters.weights = tied(config.model, self.parameters.weights)
        gradients = self.parameters.views(self.parameters.gradient)
        self._unseen = [gradient for name, gradient in gradients.items() if name.endswith(".attn.b_K")]
        self.optimizer = build_optimizer(config.optimizer, self.parameters, self.given.optimizer)
        if self.given.optimizer is not None:
            config = replace(config, optimizer=self.optimizer.config)  # with the settings that it was made with
        self.transform = build_transform(config.gradient, self.parameters, config.seed, self.given.transform)
        if self.transform is not None:
            self.transform.begin_after(self.step)
        self.engine = Engine(config.model, task, device)
        self._hooked, self.compiled = None, None
        path = forward_path(config).name
        if path == "compiled":
            self.compiled = CompiledEngine(config.model, task, config.loss, self.parameters.weights, gradients)
        if path == "hooked":
            require_hooked_transformer("forward = 'hooked'")
            self._hooked = build_model(config.model, task, device)
            self._tokens = task.tokens.to(device)
        train, val = task.split(config.task.train_fraction, config.seed)
        if not len(train) or not len(val):
            raise ConfigError(
                f"task.train_indices names {len(train)} of {task.n_examples} examples of {task.name}: "
                "to train, use at least one and not all"
            )
        if config.gradient.held_back is not None:
            kept, held_back = hold_back(train, config.gradient.held_back, config.seed)
            self.held_back = held_back.to(device)
            train = train if config.gradient.trains_on_held_back else kept
        self.train, self.val = train.to(device), val.to(device)
        self.batches = BatchStream(self.train, config.training.batch_size, config.seed)
        self.control(config)

    def control(self, config: RunConfig) -> None:
        """Go on under another config of the same task, model and optimizer: other norms, loss, rates."""
        self.config = config
        remembered = self.norms.tensors()
        names = self.parameters.names
        check_scopes(config.norms, names)
        self.norms = NormControl(config.norms, names, self._start, self._custom_control(config, names))
        self.norms.restore(remembered)
        self._optimize = Update(config.optimizer, names, self.optimizer)
        self.loss = loss_function(config.loss)
        if self.compiled is not None:
            self.compiled.set_loss(config.loss)
        follow = config.loss.follow
        self._followed = None if follow is None else read_trace("loss.follow", follow).logit_std
        self._check_traces()
        self.optimizer.use(config.optimizer)

    def _custom_control(self, config: RunConfig, names: tuple[str, ...]) -> CalledControl | None:
        """The norm control that is given as a callable, at work on the trained parameters."""
        function = self.given.norm_control
        return None if function is None else CalledControl(function, str(config.norms.control), names)

    def _check_traces(self) -> None:
        """Whether the traces that this run follows are as long as its budget."""
        lengths = {f"norms: {name}": steps for name, steps in self.norms.last_steps.items()}
        if self._followed is not None:
            lengths["loss.follow"] = len(self._followed)
        for name, length in lengths.items():
            if length < self.config.training.steps:
                raise ConfigError(
                    f"training.steps = {self.config.training.steps} is not accepted: the trace of {name} has {length} "
                    "steps; use at most as many, or record a longer one"
                )

    @property
    def weights(self) -> dict[str, Tensor]:
        """A complete state dict, live: the next step changes it."""
        return self.parameters.weights

    def complete(self, trained: Weights) -> Weights:
        """A complete state dict with other values of the trained parameters."""
        return tied(self.config.model, {**self.weights, **trained})

    def update(self) -> float:
        """One step on the next batch; returns the loss before it, in the loss's unit.

        Raises `Diverged`, with the weights left as they were, on a loss or gradient that is not finite.
        """
        loss, _ = self._step(record=False)
        return loss

    def recorded_update(self) -> StepRecord:
        """`update`, with everything that it did. The weights that come out are the same to the bit."""
        _, record = self._step(record=True)
        assert record is not None
        return record

    def _step(self, *, record: bool) -> tuple[float, StepRecord | None]:
        examples, vector, views = self.batches.next(), self.parameters.vector.detach(), self.parameters.views
        spread = None if self._followed is None else float(self._followed[self.step])
        value, logits, gradient = self._gradient(examples, spread)
        self.last_loss = value
        raw = gradient.clone() if record else gradient
        if self.transform is not None:
            self.transform.apply_(gradient)
        if not isfinite(value):
            raise Diverged(f"the loss of step {self.step + 1} is {value}")
        # One pass over the gradient: a sum is finite if all terms are, short of an overflow, which is looked into.
        if not isfinite(float(gradient.sum())) and not bool(gradient.isfinite().all()):
            raise Diverged(f"the gradient of step {self.step + 1} is not finite")
        lr = learning_rate(self.config.optimizer, self.step + 1, self.config.training.steps)
        controlled = self.norms.acts_on_updates
        before = vector.clone() if record else vector
        if controlled:
            self.norms.before_update_(self.weights, views(gradient))
        # What the update rule moves: the weights, or the parameters that a control computes them from.
        moved = vector.clone() if controlled or self._optimize.looks_back else vector
        self._optimize.apply_(self.weights, views(gradient), lr, views(moved))
        if controlled:
            self.norms.after_update_(self.weights, views(moved), self.step + 1)
        updated = vector.clone() if record else vector
        self.step += 1
        self.norms.apply_(self.weights, self.step)
        if self.transform is not None:
            self._let_transform_learn(self.transform, examples, lr, spread)
        if not record:
            return value, None
        stages = views(before), views(updated), views(vector)
        shrinkage = self.norms.shrinkages(self._optimize.shrinkages(lr), views(before), self.step)
        return value, StepRecord(examples, logits, views(raw), *stages, shrinkage, spread)

    def _gradient(
        self, examples: Int[Tensor, "example"], spread: float | None
    ) -> tuple[float, Float[Tensor, "..."], Float[Tensor, "p"]]:
        """Loss, logits, and the gradient: one vector that the next call overwrites.

        Arguments:
            spread: the loss is that of logits scaled to it (see `scaled_to`); None: as they are.
        """
        if self.compiled is not None:
            value, logits = self.compiled.loss_and_gradient(examples, spread)
            return value, logits, self.parameters.gradient
        logits = self._answer_logits(examples)
        loss = self.loss(scaled_to(logits, spread), self.engine.labels[examples], "mean")
        grads = torch.autograd.grad(loss, self.parameters.leaves, allow_unused=True)
        gradient = self.parameters.set_gradient(grads)
        # Softmax does not see b_K. What is left of its gradient is rounding, of which Lion would make whole steps.
        for unseen in self._unseen:
            unseen.zero_()
        return float(loss.detach()), logits.detach(), gradient

    def _let_transform_learn(
        self, transform: GradientTransform, batch: Int[Tensor, "example"], lr: float, spread: float | None
    ) -> None:
        """After a step the transform may ask for gradients; the weights stay as they are."""

        def gradient_of(examples: Literal["batch", "held back"], at: Tensor | None = None) -> Tensor:
            vector = self.parameters.vector.detach()
            kept = vector.clone()
            if at is not None:
                vector.copy_(at)
            gradient = self._gradient(batch if examples == "batch" else self.held_back, spread)[2].clone()
            vector.copy_(kept)
            return gradient

        transform.after_step(self.step, lr, gradient_of)

    def evaluate(self) -> dict[str, float]:
        """The loss that is minimised, of the network as it is, and accuracy on the full train and validation sets."""
        splits = {"train": self.train, "val": self.val}
        if self.compiled is not None:
            results = self.compiled.evaluate(*splits.values())
        else:
            results = [
                evaluate(self._answer_logits, self.engine.labels, examples, self.loss) for examples in splits.values()
            ]
        out = {}
        for split, (loss, accuracy) in zip(splits, results, strict=True):
            out |= {f"{split}_loss": loss, f"{split}_accuracy": accuracy}
        return out

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that a bit-identical continuation needs: tensors by name, and plain values."""
        epoch_state, position = self.batches.state()
        tensors = {_WEIGHTS + name: value.detach() for name, value in self.weights.items()}
        tensors |= {_OPTIMIZER + name: value for name, value in self.optimizer.tensors().items()}
        tensors |= {_NORMS + name: value for name, value in self.norms.tensors().items()}
        if self.transform is not None:
            tensors |= {_GRADIENT + name: value for name, value in self.transform.tensors().items()}
        return tensors | {_EPOCH: epoch_state}, {"step": self.step, "epoch_position": position}

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
        """Put back what `state` gave."""
        for name, value in self.weights.items():
            value.copy_(tensors[_WEIGHTS + name])
        self.optimizer.restore(_under(_OPTIMIZER, tensors))
        self.norms.restore(_under(_NORMS, tensors))
        if self.transform is not None:
            self.transform.restore(_under(_GRADIENT, tensors))
        self.batches.restore(tensors[_EPOCH], info["epoch_position"])
        self.step = info["step"]

    def _answer_logits(self, examples: Int[Tensor, "example"]) -> Float[Tensor, "example d_vocab_out"]:
        weights = tied(self.config.model, self.weights)
        if self._hooked is None:
            return self.engine.answer_logits(weights, examples)
        logits = torch.func.functional_call(self._hooked, weights, (self._tokens[examples],))
        return logits[:, -1]


def with_made_optimizer(config: RunConfig, factory: Factory) -> RunConfig:
    """The config of a run that is trained with an optimizer of the user's: with the settings that it is made with."""
    weights = initial_weights(config.model, run_task(config), config.seed)
    parameters = FlatParameters(weights, trained_names(weights, config.model), usable(config.training.device))
    return replace(config, optimizer=build_optimizer(config.optimizer, parameters, factory).config)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names have a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
