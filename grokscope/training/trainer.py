"""The state of a run in training, and one step of it.

A step is: forward and backward pass, the optimizer's update, the clip. Nothing is written here; see `loop`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.config import ConfigError, RunConfig
from grokscope.engine import Engine, evaluate, loss_function
from grokscope.model import Weights, build_model, in_scope, initial_weights, trained_names
from grokscope.norms import NormControl, start_rows_
from grokscope.optimizers import (
    FlatParameters,
    build_optimizer,
    hold_angular_step_,
    learning_rate,
    optimizer_tensors,
    restore_optimizer,
    set_learning_rate,
)
from grokscope.tasks import Task
from grokscope.training.batches import BatchStream

_OPTIMIZER, _WEIGHTS, _EPOCH = "optimizer.", "weights.", "epoch_generator"


@dataclass(frozen=True, eq=False)
class StepRecord:
    """One step as it was taken, for whoever looks at training itself.

    Weights are before the step, after the optimizer's update, and after norm control; logits and gradient are of the
    step's batch, with the weights before it.
    """

    examples: Int[Tensor, "example"]
    logits: Float[Tensor, "example d_vocab_out"]
    gradient: Weights
    before: Weights
    updated: Weights
    after: Weights
    shrinkage: float
    """lr * weight_decay where decay is decoupled, else 0."""


class Diverged(Exception):
    """A loss or gradient that is not finite; the weights are those before the update."""


class Trainer:
    """Weights, optimizer and batch order of a run, at some step.

    Arguments:
        config: the run; its seed draws weights, split and batch order.
        task: the task of that config.
    """

    def __init__(self, config: RunConfig, task: Task) -> None:
        self.config, self.task, self.step = config, task, 0
        device = _usable(config.training.device)
        weights = initial_weights(config.model, task, config.seed)
        start_rows_(weights, config.norms)
        self.parameters = FlatParameters(weights, trained_names(weights, config.model), device)
        self.optimizer = build_optimizer(config.optimizer, self.parameters.vector)
        self.engine = Engine(config.model, task, device)
        self._hooked = None
        if config.forward == "hooked":
            self._hooked = build_model(config.model, task, device)
            self._tokens = task.tokens.to(device)
        train, val = task.split(config.task.train_fraction, config.seed)
        if not len(train) or not len(val):
            raise ConfigError(
                f"task.train_indices names {len(train)} of {task.n_examples} examples of {task.name}: "
                "to train, use at least one and not all"
            )
        self.train, self.val = train.to(device), val.to(device)
        self.batches = BatchStream(self.train, config.training.batch_size, config.seed)
        self.control(config)

    def control(self, config: RunConfig) -> None:
        """Go on under another config of the same task, model and optimizer: other norms, loss, rates."""
        self.config = config
        self.norms = NormControl(config.norms, self.parameters.names)
        self.loss = loss_function(config.loss)
        self._angular = {group: in_scope(self.parameters.names, (group,)) for group, _ in config.optimizer.angular_step}
        for group in self.optimizer.param_groups:
            group |= {
                name: value
                for name, value in (
                    ("betas", config.optimizer.betas),
                    ("momentum", config.optimizer.momentum),
                    ("weight_decay", config.optimizer.weight_decay),
                )
                if name in group
            }

    @property
    def weights(self) -> dict[str, Tensor]:
        """A complete state dict, live: the next step changes it."""
        return self.parameters.weights

    def update(self) -> float:
        """One step on the next batch; returns the loss before it, in nats.

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
        examples, vector = self.batches.next(), self.parameters.vector.detach()
        logits = self._answer_logits(examples)
        loss = self.loss(logits, self.engine.labels[examples], "mean")
        grads = torch.autograd.grad(loss, self.parameters.leaves, allow_unused=True)
        gradient = self.parameters.set_gradient(grads)
        value = float(loss.detach())
        # One pass over the gradient: a sum is finite if all terms are, short of an overflow, which is looked into.
        if not isfinite(value):
            raise Diverged(f"the loss of step {self.step + 1} is {value}")
        if not isfinite(float(gradient.sum())) and not bool(gradient.isfinite().all()):
            raise Diverged(f"the gradient of step {self.step + 1} is not finite")
        lr = learning_rate(self.config.optimizer, self.step + 1)
        set_learning_rate(self.optimizer, lr)
        before = vector.clone() if record or self._angular else vector
        self.optimizer.step()
        if self._angular:
            targets = self.config.optimizer.angular_step
            hold_angular_step_(self.weights, self.parameters.views(before), targets, self._angular)
        updated = vector.clone() if record else vector
        self.step += 1
        self.norms.apply_(self.weights, self.step)
        if not record:
            return value, None
        views = self.parameters.views
        decoupled = self.config.optimizer.name in ("adamw", "lion") and not self._angular
        return value, StepRecord(
            examples,
            logits.detach(),
            views(gradient),
            views(before),
            views(updated),
            views(vector),
            lr * self.config.optimizer.weight_decay if decoupled else 0.0,
        )

    def evaluate(self) -> dict[str, float]:
        """Loss (nats) and accuracy on the full train and validation sets."""
        out = {}
        for split, examples in (("train", self.train), ("val", self.val)):
            out[f"{split}_loss"], out[f"{split}_accuracy"] = evaluate(
                self._answer_logits, self.engine.labels, examples, self.loss
            )
        return out

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that a bit-identical continuation needs: tensors by name, and plain values."""
        epoch_state, position = self.batches.state()
        tensors = {_WEIGHTS + name: value.detach() for name, value in self.weights.items()}
        tensors |= {_OPTIMIZER + name: value for name, value in optimizer_tensors(self.optimizer).items()}
        return tensors | {_EPOCH: epoch_state}, {"step": self.step, "epoch_position": position}

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
        """Put back what `state` gave."""
        for name, value in self.weights.items():
            value.copy_(tensors[_WEIGHTS + name])
        moments = {key.removeprefix(_OPTIMIZER): v for key, v in tensors.items() if key.startswith(_OPTIMIZER)}
        restore_optimizer(self.optimizer, moments)
        self.batches.restore(tensors[_EPOCH], info["epoch_position"])
        self.step = info["step"]

    def _answer_logits(self, examples: Int[Tensor, "example"]) -> Float[Tensor, "example d_vocab_out"]:
        if self._hooked is None:
            return self.engine.answer_logits(self.weights, examples)
        logits = torch.func.functional_call(self._hooked, self.weights, (self._tokens[examples],))
        return logits[:, -1]


def _usable(device: str) -> str:
    """The device, if this machine has it; raises `ConfigError` saying why not."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # an assertion is what torch without CUDA fails
        why = str(error).partition("\n")[0]
        raise ConfigError(f"training.device = {device!r} cannot be used here: {why}; cpu always can") from None
    return device
