"""Contestant (b): the `HookedTransformer` itself in a training loop, as its users write it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lion_pytorch import Lion

from grokscope.config import RunConfig
from grokscope.model import in_scope, initial_weights, load_model
from grokscope.norms import clip_rows_
from grokscope.tasks import Task
from grokscope.training import BatchStream


class HookedContestant:
    """Training steps and evaluations of a `HookedTransformer`."""

    def __init__(self, config: RunConfig, task: Task) -> None:
        self.config, self.tokens, self.labels = config, task.tokens, task.labels
        self.model = load_model(config.model, task, initial_weights(config.model, task, config.seed)).train()
        parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        o = config.optimizer
        self.optimizer: torch.optim.Optimizer
        if o.name == "lion":
            self.optimizer = Lion(parameters, lr=o.lr, betas=o.betas, weight_decay=o.weight_decay)
        else:
            self.optimizer = torch.optim.AdamW(parameters, lr=o.lr, betas=o.betas, weight_decay=o.weight_decay)
        self.weights = dict(self.model.named_parameters())
        self.clipped = in_scope(self.weights, config.norms.scope)
        train, _ = task.split(config.task.train_fraction, config.seed)
        self.batches = BatchStream(train, config.training.batch_size, config.seed)

    def step(self) -> None:
        examples = self.batches.next()
        logits = self.model(self.tokens[examples])[:, -1]
        loss = F.cross_entropy(logits, self.labels[examples])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.config.norms.max_norm is not None:
            clip_rows_(self.weights, self.config.norms.max_norm, self.clipped)
        loss.item()

    @torch.no_grad()
    def evaluate(self) -> float:
        correct = 0
        for tokens, labels in zip(self.tokens.split(512), self.labels.split(512), strict=True):
            logits = self.model(tokens)[:, -1]
            F.cross_entropy(logits, labels).item()
            correct += int((logits.argmax(-1) == labels).sum())
        return correct / len(self.tokens)
