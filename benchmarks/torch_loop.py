"""What the contestants in PyTorch share: the training loop that a user writes around a module."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from lion_pytorch import Lion
from torch import nn

from grokscope.config import RunConfig
from grokscope.optimizers import learning_rate
from grokscope.tasks import Task
from grokscope.training import BatchStream


class TorchLoop:
    """Training steps and evaluations of a module that gives logits at every position."""

    def __init__(self, config: RunConfig, task: Task, model: nn.Module) -> None:
        self.config, self.tokens, self.labels, self.model = config, task.tokens, task.labels, model
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        o: Any = config.optimizer  # Lion or AdamW
        self.optimizer: torch.optim.Optimizer
        if o.name == "lion":
            self.optimizer = Lion(parameters, lr=o.lr, betas=o.betas, weight_decay=o.weight_decay)
        else:
            self.optimizer = torch.optim.AdamW(parameters, lr=o.lr, betas=o.betas, weight_decay=o.weight_decay)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda steps_taken: learning_rate(o, steps_taken + 1, config.training.steps) / o.lr
        )
        train, _ = task.split(config.task.train_fraction, config.seed)
        self.batches = BatchStream(train, config.training.batch_size, config.seed)

    def clip(self, max_norm: float) -> None:
        """Clip the rows of the module's parameters."""
        raise NotImplementedError

    def step(self) -> float:
        """One training step; returns its loss in nats."""
        examples = self.batches.next()
        logits = self.model(self.tokens[examples])[:, -1]
        loss = F.cross_entropy(logits, self.labels[examples])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        if self.config.norms.max_norm is not None:
            self.clip(self.config.norms.max_norm)
        return loss.item()

    @torch.no_grad()
    def evaluate(self) -> tuple[float, float]:
        """Mean loss in nats and accuracy over all examples of the task."""
        loss, correct = 0.0, 0
        for tokens, labels in zip(self.tokens.split(512), self.labels.split(512), strict=True):
            logits = self.model(tokens)[:, -1]
            loss += F.cross_entropy(logits, labels, reduction="sum").item()
            correct += int((logits.argmax(-1) == labels).sum())
        return loss / len(self.tokens), correct / len(self.tokens)
